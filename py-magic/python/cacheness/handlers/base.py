"""What a handler is."""

from typing import Any, NamedTuple, Protocol

from cacheness._cacheness import Blob
from cacheness.config import CompressionConfig


class Encoded(NamedTuple):
    """A value as it will be stored."""

    handler: str
    data_type: str
    meta: dict[str, Any]
    """What `decode` needs beside the blob; JSON."""
    blob: Blob


class Handler(Protocol):
    """Turns one family of values into a blob and back, exactly."""

    name: str

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        """`None`: not mine, or not something this format holds exactly."""

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        """The value again, equal in every respect and writable."""


def threads(compression: CompressionConfig, nbytes: int) -> int:
    """How many threads a compression of `nbytes` may use; 0: as many as there are processors."""
    if not compression.enable_multithreading:
        return 1
    # Starting threads for less than this costs more than it brings.
    return 1 if compression.auto_optimize_threads and nbytes < (1 << 20) else 0
