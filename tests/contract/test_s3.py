"""Files of an S3 bucket, kept for as long as their ETag holds."""

from io import BytesIO

import boto3
import pandas as pd
import pytest
from botocore.exceptions import ClientError
from pandas.testing import assert_frame_equal

from cacheness import cached, cacheness

pytestmark = pytest.mark.usefixtures("here")

BUCKET = "my-data-bucket"
CUSTOMERS = "data/customer_data.csv"
SALES = "analytics/sales_data.parquet"


@pytest.fixture
def s3_cache():
    return cacheness(
        cache_dir="./s3_cache",
        default_ttl_hours=72,
        max_cache_size_mb=5000,
        metadata_config={"backend": "sqlite", "store_cache_key_params": True},
    )


@pytest.fixture
def bucket(s3):
    """The bucket with what the tests read."""
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=CUSTOMERS, Body=b"id,name\n1,Ann\n", ContentType="text/csv")
    put_table(s3, pd.DataFrame({"sales": [1.5, 2.5], "shop": ["a", "b"]}))
    for name in ("a.csv", "b.csv", "c.json"):
        s3.put_object(Bucket=BUCKET, Key=f"exports/{name}", Body=b"[]")
    return s3


def put_table(s3, frame):
    s3.put_object(Bucket=BUCKET, Key=SALES, Body=frame.to_parquet())


def manager_class(s3_cache):
    """The class of the example, over a cache of this test."""

    class S3DataManager:
        """Reads a bucket; what it read is found again."""

        def __init__(self, bucket_name, aws_profile=None):
            self.bucket_name = bucket_name
            if aws_profile:
                self.session = boto3.Session(profile_name=aws_profile)
            else:
                self.session = boto3.Session()
            self.s3_client = self.session.client("s3")

        def _get_s3_file_metadata(self, s3_key, version_id=None):
            """What S3 says of a file, without its content."""
            try:
                params = {"Bucket": self.bucket_name, "Key": s3_key}
                if version_id:
                    params["VersionId"] = version_id

                response = self.s3_client.head_object(**params)
                return {
                    "etag": response.get("ETag", "").strip('"'),
                    "last_modified": response.get("LastModified"),
                    "size": response.get("ContentLength", 0),
                    "content_type": response.get("ContentType", "binary/octet-stream"),
                }
            except ClientError as e:
                if e.response["Error"]["Code"] == "404":
                    raise FileNotFoundError(f"S3 object not found: {s3_key}") from e
                raise

        def _is_cache_valid(self, s3_key, version_id=None):
            """Whether the ETag is still that of the cached file."""
            try:
                current_metadata = self._get_s3_file_metadata(s3_key, version_id)
                current_etag = current_metadata["etag"]

                cache_key_params = {"s3_key": s3_key}
                if version_id:
                    cache_key_params["version_id"] = version_id

                cached_entry = s3_cache.get(**cache_key_params, key_prefix="s3_file")

                if cached_entry is None:
                    return False

                cached_etag = cached_entry.get("etag", "")
                if current_etag != cached_etag:
                    print(f"File {s3_key} has changed (ETag: {cached_etag} -> {current_etag})")
                    s3_cache.invalidate(**cache_key_params, key_prefix="s3_file")
                    return False

                return True

            except Exception as e:
                print(f"Error checking cache validity for {s3_key}: {e}")
                return False

        def download_file_with_validation(self, s3_key, version_id=None, force_refresh=False):
            """Downloads what has another ETag by now."""
            if not force_refresh and self._is_cache_valid(s3_key, version_id):
                print(f"Using valid cached version of {s3_key}")
                cache_key_params = {"s3_key": s3_key}
                if version_id:
                    cache_key_params["version_id"] = version_id
                return s3_cache.get(**cache_key_params, key_prefix="s3_file")

            return self.download_file(s3_key, version_id)

        @cached(cache=s3_cache, ttl_hours=24, key_prefix="s3_file")
        def download_file(self, s3_key, version_id=None):
            """Downloads, unless it is in the cache."""
            try:
                print(f"Downloading {s3_key} from S3...")

                params = {"Bucket": self.bucket_name, "Key": s3_key}
                if version_id:
                    params["VersionId"] = version_id

                response = self.s3_client.get_object(**params)
                content = response["Body"].read()

                return {
                    "content": content,
                    "content_type": response.get("ContentType", "binary/octet-stream"),
                    "last_modified": response.get("LastModified"),
                    "size": response.get("ContentLength", len(content)),
                    "etag": response.get("ETag", "").strip('"'),
                }

            except ClientError as e:
                if e.response["Error"]["Code"] == "NoSuchKey":
                    raise FileNotFoundError(f"S3 object not found: {s3_key}") from e
                raise

        def load_dataframe_with_validation(
            self, s3_key, file_format="csv", force_refresh=False, **read_kwargs
        ):
            """A table, as it is in the bucket now."""
            print(f"Loading DataFrame from S3: {s3_key}")

            file_data = self.download_file_with_validation(s3_key, force_refresh=force_refresh)
            content = file_data["content"]

            if file_format.lower() == "csv":
                return pd.read_csv(BytesIO(content), **read_kwargs)
            elif file_format.lower() == "parquet":
                return pd.read_parquet(BytesIO(content), **read_kwargs)
            elif file_format.lower() in ["xlsx", "excel"]:
                return pd.read_excel(BytesIO(content), **read_kwargs)
            elif file_format.lower() == "json":
                return pd.read_json(BytesIO(content), **read_kwargs)
            else:
                raise ValueError(f"Unsupported format: {file_format}")

        @cached(cache=s3_cache, ttl_hours=48, key_prefix="s3_dataframe")
        def load_dataframe(self, s3_key, file_format="csv", **read_kwargs):
            """A table, as it was when it was first loaded."""
            print(f"Loading DataFrame from S3: {s3_key}")

            file_data = self.download_file(s3_key)
            content = file_data["content"]

            if file_format.lower() == "csv":
                return pd.read_csv(BytesIO(content), **read_kwargs)
            elif file_format.lower() == "parquet":
                return pd.read_parquet(BytesIO(content), **read_kwargs)
            elif file_format.lower() in ["xlsx", "excel"]:
                return pd.read_excel(BytesIO(content), **read_kwargs)
            elif file_format.lower() == "json":
                return pd.read_json(BytesIO(content), **read_kwargs)
            else:
                raise ValueError(f"Unsupported format: {file_format}")

        @cached(cache=s3_cache, ttl_hours=168, key_prefix="s3_list")
        def list_files(self, prefix="", max_keys=1000, file_extension=None):
            """What the bucket holds."""
            print(f"Listing S3 files with prefix: {prefix}")

            paginator = self.s3_client.get_paginator("list_objects_v2")
            pages = paginator.paginate(Bucket=self.bucket_name, Prefix=prefix, MaxKeys=max_keys)

            files = []
            for page in pages:
                if "Contents" in page:
                    for obj in page["Contents"]:
                        key = obj["Key"]
                        if file_extension and not key.endswith(file_extension):
                            continue

                        files.append(
                            {
                                "key": key,
                                "size": obj["Size"],
                                "last_modified": obj["LastModified"],
                                "etag": obj["ETag"].strip('"'),
                            }
                        )

            return files

        def get_cache_stats(self):
            """Prints the counts."""
            stats = s3_cache.get_stats()
            print("S3 Cache Statistics:")
            print(f"  Total files cached: {stats['total_entries']}")
            print(f"  Cache size: {stats['total_size_mb']:.1f} MB")
            print(f"  Hit rate: {stats['hit_rate']:.1%}")
            return stats

    return S3DataManager


def said(capsys):
    """What was printed, each line up to what changes."""
    return [line.partition(" (ETag")[0] for line in capsys.readouterr().out.splitlines()]


def test_the_walk_through(bucket, s3_cache, capsys):
    s3_manager = manager_class(s3_cache)(BUCKET, aws_profile="default")

    file_data = s3_manager.download_file("data/customer_data.csv")
    print(f"Downloaded {file_data['size']} bytes, ETag: {file_data['etag']}")
    assert file_data["content"] == b"id,name\n1,Ann\n"
    assert said(capsys) == [
        f"Downloading {CUSTOMERS} from S3...",
        "Downloaded 14 bytes, ETag: "
        + (bucket.head_object(Bucket=BUCKET, Key=CUSTOMERS)["ETag"].strip('"')),
    ]

    df = s3_manager.load_dataframe_with_validation(
        "analytics/sales_data.parquet", file_format="parquet"
    )
    print(f"Loaded DataFrame: {df.shape}")
    df_cached = s3_manager.load_dataframe_with_validation(
        "analytics/sales_data.parquet", file_format="parquet"
    )
    assert_frame_equal(df_cached, df)
    assert said(capsys) == [
        f"Loading DataFrame from S3: {SALES}",
        f"Downloading {SALES} from S3...",
        "Loaded DataFrame: (2, 2)",
        f"Loading DataFrame from S3: {SALES}",
        f"Using valid cached version of {SALES}",
    ]

    # Loaded once without looking at the ETag: this one stays as it is.
    df_traditional = s3_manager.load_dataframe(
        "analytics/sales_data.parquet", file_format="parquet"
    )
    assert_frame_equal(df_traditional, df)
    said(capsys)

    # The object changes in the bucket: the entry goes, the new content comes.
    changed = pd.DataFrame({"sales": [3.5], "shop": ["c"]})
    put_table(bucket, changed)
    df_fresh = s3_manager.load_dataframe_with_validation(
        "analytics/sales_data.parquet", file_format="parquet"
    )
    assert_frame_equal(df_fresh, changed)
    assert said(capsys) == [
        f"Loading DataFrame from S3: {SALES}",
        f"File {SALES} has changed",
        f"Downloading {SALES} from S3...",
    ]
    assert s3_manager._is_cache_valid(SALES)

    # Forced: the validation is left out, the decorator's entry is what there is.
    df_forced = s3_manager.load_dataframe_with_validation(
        "analytics/sales_data.parquet", file_format="parquet", force_refresh=True
    )
    assert_frame_equal(df_forced, changed)
    again = s3_manager.load_dataframe("analytics/sales_data.parquet", file_format="parquet")
    assert_frame_equal(again, df)
    assert said(capsys) == [f"Loading DataFrame from S3: {SALES}"]

    csv_files = s3_manager.list_files(prefix="exports/", file_extension=".csv")
    print(f"Found {len(csv_files)} CSV files")
    assert [found["key"] for found in csv_files] == ["exports/a.csv", "exports/b.csv"]
    assert s3_manager.list_files(prefix="exports/", file_extension=".csv") == csv_files
    assert len(s3_manager.list_files(prefix="exports/")) == 3
    assert said(capsys) == [
        "Listing S3 files with prefix: exports/",
        "Found 2 CSV files",
        "Listing S3 files with prefix: exports/",
    ]

    is_valid = s3_manager._is_cache_valid("data/customer_data.csv")
    print(f"Cache is valid: {is_valid}")
    stats = s3_manager.get_cache_stats()
    printed = said(capsys)
    assert printed[:3] == [
        "Cache is valid: True",
        "S3 Cache Statistics:",
        "  Total files cached: 5",
    ]
    assert printed[4] == f"  Hit rate: {stats['hit_rate']:.1%}"
    assert 0 < stats["hit_rate"] < 1 and stats["total_size_mb"] > 0

    # Without the prefix there is no such entry; with it, there is one.
    assert s3_cache.invalidate(s3_key="data/customer_data.csv") == 0
    assert s3_manager._is_cache_valid("data/customer_data.csv")
    assert s3_cache.invalidate(s3_key="data/customer_data.csv", key_prefix="s3_file") == 1
    assert not s3_manager._is_cache_valid("data/customer_data.csv")
    assert s3_cache.clear_all() == 4
    assert not s3_manager._is_cache_valid(SALES)


def test_versions_and_missing_objects(bucket, s3_cache, capsys):
    bucket.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    old = bucket.put_object(Bucket=BUCKET, Key="v.txt", Body=b"old")["VersionId"]
    bucket.put_object(Bucket=BUCKET, Key="v.txt", Body=b"new")
    s3_manager = manager_class(s3_cache)(BUCKET, aws_profile="default")

    for _ in range(2):
        assert s3_manager.download_file_with_validation("v.txt")["content"] == b"new"
        assert s3_manager.download_file_with_validation("v.txt", old)["content"] == b"old"
    assert said(capsys).count("Downloading v.txt from S3...") == 2

    with pytest.raises(FileNotFoundError, match=r"nothing\.csv"):
        s3_manager.download_file("nothing.csv")
    assert not s3_manager._is_cache_valid("nothing.csv")
    with pytest.raises(ValueError, match="Unsupported format: txt"):
        s3_manager.load_dataframe("v.txt", file_format="txt")
    # Neither failure left an entry.
    assert {entry["key_prefix"] for entry in s3_cache.list_entries()} == {"s3_file"}
    assert len(s3_cache.list_entries()) == 2
