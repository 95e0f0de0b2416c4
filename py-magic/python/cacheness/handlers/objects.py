"""Everything else <-> pickle, with large buffers compressed on their own."""

from typing import Any

from cacheness import objects
from cacheness._cacheness import Blob, decode_object, encode_object, object_sections
from cacheness.config import CompressionConfig
from cacheness.handlers.base import Encoded, threads
from cacheness.optional import missing


class ObjectHandler:
    """The handler of last resort, which takes what can be pickled."""

    name = "object_pickle"

    def encode(self, value: object, compression: CompressionConfig) -> Encoded | None:
        stream, buffers = objects.dump(value)
        nbytes = len(stream) + sum(buffer.data.nbytes for buffer in buffers)
        blob = encode_object(
            stream,
            buffers,
            codec=compression.pickle_compression_codec,
            level=compression.pickle_compression_level,
            threads=threads(compression, nbytes),
        )
        return Encoded(self.name, "object", {"type": _type_name(value)}, blob)

    def decode(self, meta: dict[str, Any], blob: Blob) -> Any:
        sections = [bytearray(length) for length in object_sections(blob)]
        decode_object(blob, sections)
        try:
            return objects.load(sections[0], sections[1:])
        except ModuleNotFoundError as error:
            if error.name is None:
                raise
            raise missing(error.name, f"reading this {meta.get('type', 'object')}") from error


def _type_name(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
