"""What type checkers see of `@cached`: the function's own signature, with what was added to it.

Nothing here exists at run time, where a cached function is a plain function with attributes.
"""

from collections.abc import Callable
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    overload,
)

from cacheness.durations import Unset

if TYPE_CHECKING:
    from cacheness.calls import CacheInfo

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

KeyFunction = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], object]
"""Makes the key of a call from the function, its arguments and its arguments by name."""


class CacheOptions(TypedDict, total=False):
    """The options of `@cached`, beside the cache."""

    ttl_hours: float | None | Unset
    ttl: str | None | Unset
    key_prefix: str | None
    version: str | None
    key_func: KeyFunction | None
    description: str


class _Managed(Protocol):
    def cache_info(self) -> "CacheInfo":
        """Hits and misses of this process, entries and bytes of the directory, the settings."""

    def cache_clear(self) -> int:
        """Removes the entries of this function; returns how many there were."""


class CachedMethod(_Managed, Protocol[P, R_co]):
    """A cached function that was reached through an object or a class.

    Type checkers cannot tell here whether the first parameter is bound already (as it is for a
    method of an object) or not (as for a static method), so both are accepted.
    """

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    @overload
    def __call__(self, first: Any, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @property
    def cache_key(self) -> Callable[..., str]:
        """The key of a call, which takes all arguments, the object itself included."""


class CachedCallable(_Managed, Protocol[P, R_co]):
    """A cached function."""

    @property
    def __wrapped__(self) -> Callable[P, R_co]:
        """The function itself."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    def cache_key(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """The key (16 hex digits) of the call with these arguments."""

    def __get__(
        self: "CachedCallable[Concatenate[Any, Q], T]",
        instance: object,
        owner: type | None = None,
        /,
    ) -> CachedMethod[Q, T]: ...


class CacheDecorator(Protocol):
    """What `cached(...)` with options returns."""

    def __call__(self, function: Callable[P, T], /) -> CachedCallable[P, T]: ...
