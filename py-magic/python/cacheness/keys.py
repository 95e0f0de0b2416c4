"""Named parameters -> a key."""

import json
import pathlib
from collections.abc import Mapping
from typing import Final

from cacheness import logs, serialization
from cacheness._cacheness import Cache, Key, digest_bytes, make_key
from cacheness.config import CacheConfig
from cacheness.errors import CacheKeyError

# A parameter that is stored to be read needs no more than this many characters.
LONGEST_SHOWN: Final = 1000
REDACTED: Final = "[redacted]"


class KeyMaker:
    """Makes keys the way one cache's configuration says."""

    def __init__(self, config: CacheConfig, core: Cache) -> None:
        self._config = config.serialization
        self._keep = config.metadata.store_cache_key_params
        self._core = core
        self._path_digest = (
            self._path_by_content if config.hash_path_content else serialization.path_by_name
        )

    def text(self, name: str, value: object, classes: set[type] | None = None) -> str:
        """The exact text of one parameter's value; for `classes`, see `serialization.exact`."""
        return serialization.exact(
            value, self._config, path_digest=self._path_digest, name=name, classes=classes
        )

    def make(self, texts: Mapping[str, str], *, shown: bool) -> Key:
        """The key of parameters that are already texts; their order does not matter. Only a key
        to store under needs to hold what is shown of them."""
        key = make_key(
            "parameters",
            [
                (
                    "parameter",
                    checked_name(name),
                    digest(text),
                    self._shown(name, text) if shown else None,
                )
                for name, text in sorted(texts.items())
            ],
        )
        if logs.debugging():
            logs.key(
                key.visible, {name: self._readable(name, texts[name]) for name in sorted(texts)}
            )
        return key

    def of(self, parameters: Mapping[str, object], *, shown: bool) -> Key:
        """The key of parameters."""
        texts = {name: self.text(name, value) for name, value in parameters.items()}
        return self.make(texts, shown=shown)

    def _shown(self, name: str, text: str) -> str | None:
        shown = self._readable(name, text)
        return None if shown is None else json.dumps(shown)

    def _readable(self, name: str, text: str) -> str | None:
        """What people may see of a parameter, if anything."""
        if not self._keep:
            return None
        if serialization.is_secret(name):
            return REDACTED
        shown = serialization.redacted(text)
        if len(shown) > LONGEST_SHOWN:
            shown = shown[:LONGEST_SHOWN] + "…"
        return shown.encode("utf-8", "backslashreplace").decode()

    def _path_by_content(self, path: pathlib.PurePath) -> str:
        digest_path = self._core.digest_path
        told = logs.debugging()
        kind, digest = logs.directory(path, digest_path) if told else digest_path(str(path))
        return serialization.describe_path(path, kind, digest)


def digest(text: str) -> str:
    """The digest (32 hex digits) of a text, which may hold lone surrogates."""
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


def checked_name(name: object) -> str:
    """A parameter's name or a key prefix: text that UTF-8 can hold."""
    if type(name) is not str:
        raise CacheKeyError(f"a name must be text, not {name!r}")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise CacheKeyError(f"the name {name!r} is not valid text: {error.reason}") from error
    return name
