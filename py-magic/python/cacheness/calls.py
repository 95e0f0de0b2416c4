"""One cached function: the keys of its calls, their lookup and storage."""

import inspect
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cacheness._cacheness import Key, make_key
from cacheness.cache import MISSING, Draft, UnifiedCache
from cacheness.durations import Unset
from cacheness.errors import CacheError, CacheKeyError
from cacheness.functions import FunctionIdentity
from cacheness.keys import checked_name, digest
from cacheness.notices import warn
from cacheness.opening import get_cache

if TYPE_CHECKING:
    from cacheness._cacheness import _PlainInput
    from cacheness.decorators import KeyFunction

FACE: Final = "call"


class Options(NamedTuple):
    """What `@cached(...)` was given."""

    cache: UnifiedCache | None
    ttl_hours: float | None | Unset
    ttl: str | None | Unset
    key_prefix: str | None
    version: str | None
    key_func: "KeyFunction | None"
    description: str


class CacheInfo(dict[str, Any]):
    """What `cache_info()` returns: a dict whose items are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Call(NamedTuple):
    """One call: its key, and what beside the arguments its result depends on."""

    cache: UnifiedCache
    key: Key
    texts: dict[str, str]
    scope: str
    state: dict[str, str]
    parts: list[str]
    """What the function was when the call began, for `FunctionIdentity.learn`."""

    @property
    def turn_key(self) -> Key:
        """What only one may compute at a time."""
        turn: list[_PlainInput] = [("parameter", self.scope, self.key.digest, None)]
        turn += [("state", name, found, None) for name, found in sorted(self.state.items())]
        return make_key("turn", turn)


class CachedFunction:
    """Everything about a decorated function except how it is called."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        self.function = function
        self.options = options
        self.name = f"{function.__module__}.{function.__qualname__}"
        prefix = options.key_prefix
        self.scope = checked_name(self.name if prefix is None else prefix)
        self._signature = inspect.signature(function)
        self._takes_self = _takes_self(function, self._signature)
        self._identity = FunctionIdentity(function)
        self._defaults: dict[str, str | None] = {}
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    # -- keys ---------------------------------------------------------------------------------

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """`call`, or `None` with a warning where the cache cannot do its part."""
        try:
            return self.call(args, kwargs)
        except CacheKeyError:
            raise
        except CacheError as error:
            warn(f"{self.name} runs without its cache: {error}")
            return None

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call's key: the bound arguments by name, without `self` and without what equals its
        default. Raises `TypeError` for arguments that the function does not take."""
        bound = self._signature.bind(*args, **kwargs)
        cache = self.cache
        function, parts = self._function_digest()
        state = {f"function {self.name}": function}
        if self._takes_self and bound.arguments:
            owner = bound.arguments.pop(next(iter(bound.arguments)))
            state["self"] = self._owner_digest(cache, owner)
        if self.options.key_func is not None:
            texts = {"key_func": self._own_key(cache, args, kwargs, bound)}
        else:
            texts = self._texts(cache, bound)
        return Call(cache, cache.keys.make(texts, shown=False), texts, self.scope, state, parts)

    @property
    def cache(self) -> UnifiedCache:
        """The cache that was given, else the one of the current directory."""
        return self.options.cache or get_cache()

    def _texts(self, cache: UnifiedCache, bound: inspect.BoundArguments) -> dict[str, str]:
        texts: dict[str, str] = {}
        for name, value in bound.arguments.items():
            parameter = self._signature.parameters[name]
            if parameter.kind is parameter.VAR_KEYWORD:
                self._add_keywords(cache, name, value, texts)
                continue
            text = cache.keys.text(name, value)
            if text != self._default_text(cache, parameter):
                texts[name] = text
        return texts

    def _add_keywords(
        self, cache: UnifiedCache, name: str, values: dict[str, Any], texts: dict[str, str]
    ) -> None:
        for keyword, value in values.items():
            # f(a, /, **others) takes an `a` in others as well.
            own = keyword in self._signature.parameters
            texts[f"**{name}\0{keyword}" if own else keyword] = cache.keys.text(keyword, value)

    def _default_text(self, cache: UnifiedCache, parameter: inspect.Parameter) -> str | None:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return "tuple:[]"
        if parameter.default is parameter.empty:
            return None
        if parameter.name not in self._defaults:
            try:
                text = cache.keys.text(parameter.name, parameter.default)
            except CacheKeyError:
                return None
            if type(parameter.default) in (str, int, float, bool, type(None)):
                self._defaults[parameter.name] = text
            return text
        return self._defaults[parameter.name]

    def _own_key(
        self,
        cache: UnifiedCache,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        bound: inspect.BoundArguments,
    ) -> str:
        """What `key_func` makes of the call. It is given every argument by name too, so that it
        need not care how the function was called."""
        named = dict(bound.arguments)
        for parameter in self._signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                named.update(named.pop(parameter.name, {}))
            elif parameter.default is not parameter.empty:
                named.setdefault(parameter.name, parameter.default)
        key_func = self.options.key_func
        assert key_func is not None
        return cache.keys.text("key_func", key_func(self.function, args, {**named, **kwargs}))

    def _function_digest(self) -> tuple[str, list[str]]:
        if self.options.version is not None:
            return digest(f"version {self.options.version!r}"), []
        text, parts = self._identity.text()
        return digest(text), parts

    def _owner_digest(self, cache: UnifiedCache, owner: object) -> str:
        """Of the instance or class of a method: which class it is, and what that declares."""
        kind = owner if isinstance(owner, type) else type(owner)
        text = f"{kind.__module__}.{kind.__qualname__}"
        declared = getattr(owner, "__cache_key__", None)
        if callable(declared) and owner is not kind:
            text += "\n" + cache.keys.text("self", declared())
        return digest(text)

    # -- values -------------------------------------------------------------------------------

    def find(self, call: Call, *, count: bool = True) -> Any:
        """The stored result, or `MISSING`. Never raises: a failure costs a warning."""
        try:
            value = call.cache.fetch(
                call.key,
                self.scope,
                None,
                lambda kind, name, stored: call.state.get(name),
                log=count,
            )
            if value is MISSING and count:
                call.cache.core.record_miss()
        except Exception as error:
            warn(f"the cache could not be read for {self.name}: {error}")
            value = MISSING
        if value is not MISSING or count:
            self._count(value is not MISSING)
        return value

    def keep(self, call: Call, value: object, started: float) -> None:
        """Stores a result. Never raises: a failure costs a warning."""
        try:
            if self._identity.learn(call.parts):
                call.state[f"function {self.name}"] = self._function_digest()[0]
            draft = Draft(
                key=call.cache.keys.make(call.texts, shown=True),
                scope=self.scope,
                face=FACE,
                name=self.name,
                description=self.options.description or self.name,
                ttl=call.cache.lifetime(self.options.ttl_hours, self.options.ttl),
                elapsed=time.perf_counter() - started,
                observed=tuple(("state", name, found, None) for name, found in call.state.items()),
            )
            call.cache.store(value, draft)
        except Exception as error:
            warn(f"the result of {self.name} was not stored: {error}")

    def _count(self, hit: bool) -> None:
        with self._lock:
            if hit:
                self.hits += 1
            else:
                self.misses += 1

    # -- management ---------------------------------------------------------------------------

    def info(self) -> CacheInfo:
        """Counts of this process, entries and bytes of the directory."""
        cache = self.cache
        entries = cache.core.entries(face=FACE, scope=self.scope, name=self.name)
        seconds = cache.lifetime(self.options.ttl_hours, self.options.ttl)
        return CacheInfo(
            function=self.name,
            hits=self.hits,
            misses=self.misses,
            entries=len(entries),
            bytes=sum(entry.size_bytes for entry in entries),
            ttl_hours=None if seconds is None else seconds / 3600.0,
            key_prefix=self.options.key_prefix,
            version=self.options.version,
            cache_dir=str(cache.core.directory),
            backend_type=cache.actual_backend,
        )

    def clear(self) -> int:
        """Removes exactly this function's entries."""
        with self._lock:
            self.hits = self.misses = 0
        return self.cache.core.remove_where(face=FACE, scope=self.scope, name=self.name)

    def visible_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The key of a call, 16 hex digits."""
        return self.call(args, kwargs).key.visible


def _takes_self(function: Callable[..., Any], signature: inspect.Signature) -> bool:
    """Whether it is a method: defined in a class, with a first parameter called as methods call
    it (a staticmethod's is not)."""
    parent = function.__qualname__.rpartition(".")[0]
    first = next(iter(signature.parameters.values()), None)
    return (
        bool(parent)
        and not parent.endswith("<locals>")
        and first is not None
        and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)
        and first.name.lstrip("_") in ("self", "cls", "mcs")
    )
