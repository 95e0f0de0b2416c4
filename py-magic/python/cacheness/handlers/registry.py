"""The handlers in the order of the configuration."""

from typing import Any, Final

from cacheness._cacheness import Blob
from cacheness.config import CacheConfig
from cacheness.errors import CacheIntegrityError, CacheValueError
from cacheness.handlers.arrays import ArrayHandler
from cacheness.handlers.base import Encoded, Handler
from cacheness.handlers.objects import ObjectHandler
from cacheness.handlers.pandas_frames import PandasFrameHandler, PandasSeriesHandler
from cacheness.handlers.polars_frames import PolarsFrameHandler, PolarsSeriesHandler

ALL: Final[dict[str, Handler]] = {
    handler.name: handler
    for handler in (
        PandasFrameHandler(),
        PolarsFrameHandler(),
        PandasSeriesHandler(),
        PolarsSeriesHandler(),
        ArrayHandler(),
        ObjectHandler(),
    )
}


class Handlers:
    """Picks the handler for a value, and the one that wrote an entry."""

    def __init__(self, config: CacheConfig) -> None:
        self._compression = config.compression
        self._order = [ALL[name] for name in config.handlers.order()]

    def encode(self, value: object) -> Encoded:
        """`value` by the first handler that holds it exactly."""
        for handler in self._order:
            encoded = handler.encode(value, self._compression)
            if encoded is not None:
                return encoded
        raise CacheValueError(
            f"no enabled handler takes a {type(value).__qualname__}: "
            "enable_object_pickle=True would"
        )

    def decode(self, handler: str, meta: dict[str, Any], blob: Blob) -> Any:
        """The value that `handler` wrote; handlers that are disabled for writing still read."""
        if handler not in ALL:
            raise CacheIntegrityError(f"it was written by an unknown handler {handler!r}")
        return ALL[handler].decode(meta, blob)
