"""What cacheness raises. `CacheError` is the root; each also is the built-in it resembles."""

import re
from typing import Final

# How a fingerprint's path names an attribute, and one that is a slot.
_ATTRIBUTE: Final = re.compile(r"\['\.(\w+)'\]|\['state'\]\[[01]\]\['(\w+)'\]")


class CacheError(Exception):
    """Root of everything that cacheness raises on purpose."""


class CacheKeyError(CacheError, TypeError):
    """A value has no stable content, so no key can be built from it."""


class UnstableValueError(CacheKeyError):
    """`CacheKeyError` with the place: `path` leads from the value to the part that has no stable
    content (as in `.session` or `[0]['lock']`), `why` says what is wrong with it."""

    def __init__(self, path: str, why: str) -> None:
        path = _ATTRIBUTE.sub(lambda found: f".{found[1] or found[2]}", path)
        super().__init__(f"{path or 'the value'}: {why}")
        self.path = path
        self.why = why


class CacheConfigError(CacheError, ValueError):
    """An option or its value makes no sense, or is not available; nothing was touched."""


class CacheValueError(CacheError, ValueError):
    """A value cannot be stored."""


class CacheDependencyError(CacheError, ImportError):
    """A value or an option takes an optional package that is not installed; the message names the
    extra that brings it."""


class CacheStorageError(CacheError, OSError):
    """The operating system or the index refused."""


class CacheIntegrityError(CacheError):
    """Stored bytes are not what was stored."""


class CacheVersionError(CacheError):
    """The cache directory was written by a later version; it is left untouched."""


class CacheWarning(UserWarning):
    """The cache could not do its part; the program goes on without it."""
