"""Each setting of the compression changes what is written; whoever reads needs none of them."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from cacheness import CacheConfig, cacheness
from cacheness.handlers import Handlers
from cacheness.handlers.base import threads

# Numbers that every codec shrinks, each in its own way.
NUMBERS = np.sin(np.arange(300_000) / 1000).round(3)
TEXT = [f"line {number % 1000} of a text that repeats itself" for number in range(20_000)]
CODECS = ["lz4", "lz4hc", "zstd", "zlib", "blosclz"]


def encoded(value, **compression):
    return Handlers(CacheConfig(**compression)).encode(value)


def stored(value, **compression):
    return bytes(encoded(value, **compression).blob)


def decoded(value, **compression):
    """The value as a cache with the default settings reads it."""
    one = encoded(value, **compression)
    return Handlers(CacheConfig()).decode(one.handler, one.meta, one.blob)


def test_codecs_of_arrays():
    written = {codec: stored(NUMBERS, blosc2_array_codec=codec) for codec in CODECS}
    assert len(set(written.values())) == len(CODECS)
    assert all(len(data) < NUMBERS.nbytes / 2 for data in written.values())
    assert len(written["zstd"]) < len(written["lz4"]) == len(stored(NUMBERS))
    for codec in CODECS:
        np.testing.assert_array_equal(decoded(NUMBERS, blosc2_array_codec=codec), NUMBERS)


def test_levels_of_arrays():
    sizes = [
        len(stored(NUMBERS, blosc2_array_codec="zstd", blosc2_array_level=level))
        for level in (0, 1, 9)
    ]
    assert sizes[0] >= NUMBERS.nbytes > sizes[1] > sizes[2]


def test_codecs_of_objects():
    written = {codec: stored(TEXT, pickle_compression_codec=codec) for codec in CODECS}
    assert len(set(written.values())) == len(CODECS)
    assert written["zstd"] == stored(TEXT)
    for codec in CODECS:
        assert decoded(TEXT, pickle_compression_codec=codec) == TEXT


def test_levels_of_objects():
    sizes = [len(stored(TEXT, pickle_compression_level=level)) for level in (0, 1, 9)]
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_codecs_of_tables(library):
    columns = {"n": NUMBERS[:50_000], "s": TEXT[:1000] * 50}
    frame = pd.DataFrame(columns) if library == "pandas" else pl.DataFrame(columns)

    def codecs(**compression):
        file = pq.ParquetFile(io.BytesIO(stored(frame, **compression)))
        group = file.metadata.row_group(0)
        return {group.column(at).compression for at in range(group.num_columns)}

    assert codecs() == {"LZ4"}
    assert codecs(parquet_compression="snappy") == {"SNAPPY"}
    assert codecs(parquet_compression="zstd") == {"ZSTD"}
    assert codecs(parquet_compression="none") == {"UNCOMPRESSED"}


def test_arrays_as_archives():
    packed = encoded(NUMBERS, use_blosc2_arrays=False)
    plain = encoded(NUMBERS, use_blosc2_arrays=False, npz_compression=False)
    assert (packed.data_type, packed.blob.kind) == ("array", "npz")
    assert len(packed.blob) < NUMBERS.nbytes / 2 < NUMBERS.nbytes < len(plain.blob)
    for one in (packed, plain):
        with np.load(io.BytesIO(bytes(one.blob))) as archive:
            np.testing.assert_array_equal(archive["a"], NUMBERS)
        again = Handlers(CacheConfig()).decode(one.handler, one.meta, one.blob)
        np.testing.assert_array_equal(again, NUMBERS)


def test_an_archive_is_a_file_that_numpy_opens(tmp_path):
    key = cacheness(tmp_path, use_blosc2_arrays=False, npz_compression=False).put(NUMBERS, a=1)
    (file,) = tmp_path.glob(f"{key}_npz_*.npz")
    with np.load(file) as archive:
        np.testing.assert_array_equal(archive["a"], NUMBERS)
    with cacheness(tmp_path) as other:
        again = other.get(a=1)
    np.testing.assert_array_equal(again, NUMBERS)
    assert again.flags.writeable


def test_what_no_frame_holds_is_an_archive():
    assert encoded(np.zeros((1,) * 9)).blob.kind == "npz"


def test_threads_by_size():
    assert threads(CacheConfig(enable_multithreading=False).compression, 1 << 30) == 1
    assert threads(CacheConfig(auto_optimize_threads=False).compression, 10) == 0
    default = CacheConfig().compression
    assert (threads(default, 10), threads(default, 1 << 30)) == (1, 0)
    one = stored(NUMBERS, enable_multithreading=False)
    assert decoded(NUMBERS, auto_optimize_threads=False).tobytes() == NUMBERS.tobytes()
    assert one == stored(NUMBERS)
