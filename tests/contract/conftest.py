"""What the examples take for granted: a directory to be in, and servers to talk to."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from cacheness import get_cache


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The examples open `./cache` and its like."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    get_cache().close()


class Weather(ThreadingHTTPServer):
    """Answers every path with its query, and counts the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Weather

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        self.server.requests.append((url.path, query))
        answer = {
            "asked": query,
            "current": {"temp_f": 50.0 + len(self.server.requests)},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Iterator[Weather]:
    """What `requests` asks any host is answered here."""
    adapters = pytest.importorskip("requests.adapters")
    server = Weather()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    plain = adapters.HTTPAdapter.send

    def send(self: Any, request: Any, **options: Any) -> Any:
        url = urlsplit(request.url)
        request.url = f"{server.address}{url.path}?{url.query}"
        return plain(self, request, **options)

    monkeypatch.setattr(adapters.HTTPAdapter, "send", send)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """A local S3 server."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of that server, which is also where the profile `default` leads to."""
    boto3 = pytest.importorskip("boto3")
    profile = tmp_path / "aws"
    profile.write_text(
        "[default]\nregion = us-east-1\naws_access_key_id = nobody\n"
        f"aws_secret_access_key = nothing\nendpoint_url = {s3_address}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    yield boto3.Session(profile_name="default").client("s3")
    pytest.importorskip("requests").post(f"{s3_address}/moto-api/reset")
