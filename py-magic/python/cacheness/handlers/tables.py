"""What handlers of tables share: a class of a library <-> Parquet."""

import sys
from typing import Any

from cacheness._cacheness import Blob, Table, decode_table, encode_table
from cacheness.config import CompressionConfig
from cacheness.errors import CacheValueError
from cacheness.handlers.base import Encoded


class TableHandler:
    """Takes instances of `library.kind`, and of no subclass, that Parquet holds exactly."""

    name: str
    data_type: str
    library: str
    kind: str

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        library: Any = self._loaded(value)
        if library is None or type(value) is not getattr(library, self.kind):
            return None
        taken = self.to_table(library, value)
        if taken is None:
            return None
        table, meta = taken
        try:
            blob = encode_table(table, codec=compression.parquet_compression)
        except CacheValueError:  # the object path holds it
            return None
        return Encoded(self.name, self.data_type, meta, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        return self.from_table(decode_table(blob), meta)

    def to_table(self, library: Any, value: Any) -> tuple[Any, dict[str, Any]] | None:
        """What exports an Arrow stream of `value`, and what `from_table` needs beside it; `None`
        where Arrow or Parquet would not give it back unchanged."""
        raise NotImplementedError

    def from_table(self, table: Table, meta: dict[str, Any]) -> Any:
        """The value again."""
        raise NotImplementedError

    def _loaded(self, value: object) -> Any:
        """The library, if `value` can be one of its objects; never imports it."""
        if type(value).__module__.partition(".")[0] != self.library:
            return None
        return sys.modules.get(self.library)
