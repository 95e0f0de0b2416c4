"""One cached function: the keys of its calls, their lookup and storage."""

import contextlib
import inspect
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cacheness import observe
from cacheness._cacheness import Key, make_key
from cacheness.cache import MISSING, Draft, UnifiedCache
from cacheness.durations import Unset
from cacheness.errors import CacheError, CacheKeyError
from cacheness.functions import State
from cacheness.identity import Identity
from cacheness.keys import checked_name, digest
from cacheness.notices import warn
from cacheness.opened import Opened
from cacheness.opening import get_cache

if TYPE_CHECKING:
    from cacheness._cacheness import _PlainInput
    from cacheness.signatures import KeyFunction

FACE: Final = "call"
_MOST_IDENTITIES: Final = 256
_IMPORT: Final = "import "
_lock = threading.Lock()


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
    """One call: its key, and what beside the arguments its result depends on.

    Attributes:
        texts: the arguments that make the key.
        owner: the digest of what the instance or class of a method declares, by "self".
        identity: of the code; `None` if a version stands for it.
        state: of the code, when it was looked at last.
    """

    cache: UnifiedCache
    key: Key
    texts: dict[str, str]
    owner: dict[str, str]
    identity: Identity | None
    state: State


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
        self._plain, self._required = _plain_parameters(self._signature)
        self._identities: dict[tuple[type, ...], Identity] = {}
        self._label = f"function {self.name}"
        self._defaults: dict[str, str | None] = {}
        self.hits = 0
        self.misses = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return (CachedFunction, (self.function, self.options))

    # -- keys ---------------------------------------------------------------------------------

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call, or `None` with a warning where the cache cannot do its part. Raises `TypeError`
        for arguments that the function does not take."""
        bound = self._bound(args, kwargs)
        try:
            return self._call(bound, args, kwargs)
        except CacheKeyError:
            raise
        except Exception as error:
            warn(f"{self.name} runs without its cache: {error}")
            return None

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name. Raises `TypeError` for those that the function does not take."""
        if not kwargs and self._required <= len(args) <= len(self._plain):
            return dict(zip(self._plain, args, strict=False))
        return self._signature.bind(*args, **kwargs).arguments

    def _call(self, bound: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        """The call's key: the bound arguments by name, without `self` and without what equals its
        default."""
        cache = self.cache
        owner: dict[str, str] = {}
        classes: set[type] = set()
        if self._takes_self and bound:
            instance = bound.pop(next(iter(bound)))
            owner["self"] = self._declared(cache, instance)
            classes.add(instance if isinstance(instance, type) else type(instance))
        if self.options.key_func is not None:
            texts = {"key_func": self._own_key(cache, args, kwargs, bound)}
        else:
            texts = self._texts(cache, bound, classes)
        identity = self._identity(classes)
        state = identity.now() if identity is not None else self._version()
        return Call(cache, cache.keys.make(texts, shown=False), texts, owner, identity, state)

    def turn_key(self, call: Call) -> Key:
        """What only one may compute at a time."""
        turn: list[_PlainInput] = [("parameter", self.scope, call.key.digest, None)]
        turn.append(("state", self._label, call.state.code, None))
        turn += [("state", name, found, None) for name, found in call.owner.items()]
        return make_key("turn", turn)

    @property
    def cache(self) -> UnifiedCache:
        """The cache that was given, else the one of the current directory."""
        return self.options.cache or get_cache()

    def _identity(self, classes: set[type]) -> Identity | None:
        """Of the function with the classes of its arguments, whose methods it may call."""
        if self.options.version is not None:
            return None
        roots = tuple(sorted(classes, key=lambda kind: (kind.__module__, kind.__qualname__)))
        identity = self._identities.get(roots)
        if identity is None:
            if len(self._identities) >= _MOST_IDENTITIES:
                self._identities.clear()
            identity = self._identities[roots] = Identity(self.function, *roots)
        return identity

    def _version(self) -> State:
        text = digest(f"version {self.options.version!r}")
        return State(text, text, {})

    def _texts(
        self, cache: UnifiedCache, bound: dict[str, Any], classes: set[type]
    ) -> dict[str, str]:
        texts: dict[str, str] = {}
        for name, value in bound.items():
            parameter = self._signature.parameters[name]
            if parameter.kind is parameter.VAR_KEYWORD:
                self._add_keywords(cache, name, value, texts, classes)
                continue
            text = cache.keys.text(name, value, classes)
            if text != self._default_text(cache, parameter):
                texts[name] = text
        return texts

    def _add_keywords(
        self,
        cache: UnifiedCache,
        name: str,
        values: dict[str, Any],
        texts: dict[str, str],
        classes: set[type],
    ) -> None:
        for keyword, value in values.items():
            # f(a, /, **others) takes an `a` in others as well.
            own = keyword in self._signature.parameters
            text = cache.keys.text(keyword, value, classes)
            texts[f"**{name}\0{keyword}" if own else keyword] = text

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
        bound: dict[str, Any],
    ) -> str:
        """What `key_func` makes of the call. It is given every argument by name too, so that it
        need not care how the function was called."""
        named = dict(bound)
        for parameter in self._signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                named.update(named.pop(parameter.name, {}))
            elif parameter.default is not parameter.empty:
                named.setdefault(parameter.name, parameter.default)
        key_func = self.options.key_func
        assert key_func is not None
        return cache.keys.text("key_func", key_func(self.function, args, {**named, **kwargs}))

    def _declared(self, cache: UnifiedCache, owner: object) -> str:
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

        def present(kind: str, name: str, stored: str) -> str | None:
            if name.startswith(observe.LISTING):
                return observe.listing_digest(name.removeprefix(observe.LISTING))
            if name.startswith(_IMPORT):
                module = name.removeprefix(_IMPORT)
                return None if call.identity is None else call.identity.module(module)
            if name != self._label:
                return call.owner.get(name)
            if call.identity is not None and call.identity.accepts(call.state, stored):
                return stored
            return call.state.digest

        try:
            value = call.cache.fetch(call.key, self.scope, None, present, log=count)
            if value is MISSING and count:
                call.cache.core.record_miss()
        except Exception as error:
            warn(f"the cache could not be read for {self.name}: {error}")
            value = MISSING
        if value is not MISSING or count:
            self._count(value is not MISSING)
        return value

    def look(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Call | None, Any]:
        """`begin`, and what is stored for the call."""
        call = self.begin(args, kwargs)
        return call, MISSING if call is None else self.find(call)

    def look_again(self, call: Call) -> tuple[Call, Any]:
        """The same after a wait: somebody may have stored it, and what the function reads may have
        changed."""
        if call.identity is not None:
            try:
                call = call._replace(state=call.identity.now())
            except Exception as error:
                warn(f"{self.name} could not be looked at again: {error}")
        return call, self.find(call, count=False)

    def start(self, call: Call, *, alone: bool = True) -> "Run":
        """Begins a run. `alone`: nothing of the program but other threads can run meanwhile."""
        return Run(self, call, alone)

    def store(self, call: Call, value: object, elapsed: float, seen: "list[_PlainInput]") -> None:
        """Stores a result. Never raises: a failure costs a warning."""
        inputs = [(self._label, call.state.digest), *call.owner.items()]
        try:
            draft = Draft(
                key=call.cache.keys.make(call.texts, shown=True),
                scope=self.scope,
                face=FACE,
                name=self.name,
                description=self.options.description or self.name,
                ttl=call.cache.lifetime(self.options.ttl_hours, self.options.ttl),
                elapsed=elapsed,
                observed=(*(("state", name, found, None) for name, found in inputs), *seen),
            )
            call.cache.store(value, draft)
        except Exception as error:
            warn(f"the result of {self.name} was not stored: {error}")

    def _count(self, hit: bool) -> None:
        with _lock:
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
        with _lock:
            self.hits = self.misses = 0
        return self.cache.core.remove_where(face=FACE, scope=self.scope, name=self.name)

    def visible_key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """The key of a call, 16 hex digits."""
        return self._call(self._bound(args, kwargs), args, kwargs).key.visible


class Run:
    """One run of a cached function; ends with `keep` or `drop`. Neither raises."""

    def __init__(self, cached_function: CachedFunction, call: Call, alone: bool) -> None:
        self._function = cached_function
        self._call = call
        self._alone = alone
        self._imported: dict[str, str] = {}
        if call.identity is not None:
            call.identity.begin(call.state)
            # What is not loaded yet is read when it is imported, and seen.
            with contextlib.suppress(Exception):
                self._imported = call.identity.imported()
        self._opened: Opened | None = None
        with contextlib.suppress(Exception):  # then its result is not stored
            self._opened = Opened()
        self._started = time.perf_counter()

    def keep(self, value: object) -> None:
        """Stores the result, unless somebody else changed what it depends on."""
        elapsed = time.perf_counter() - self._started
        blamed = self._end()
        try:
            if self._opened is None:
                raise CacheError("what it reads could not be observed")
            inputs = self._opened.inputs(self._call.cache.core)
            for name, found in self._imported.items():
                inputs.append(("state", _IMPORT + name, found, None))
            if blamed is not None:
                raise CacheError(
                    f"{blamed} changed while it ran. Pass that as an argument, or give version= to "
                    "leave it out"
                )
        except Exception as error:
            warn(f"the result of {self._function.name} was not stored: {error}")
        else:
            self._function.store(self._call, value, elapsed, inputs)

    def drop(self) -> None:
        """There is no result."""
        if self._opened is not None:
            self._opened.abort()
        self._end()

    def _end(self) -> str | None:
        identity = self._call.identity
        try:
            if identity is not None:
                return identity.end(self._call.state, alone=self._alone)
        except Exception as error:
            return f"something ({error})"
        return None


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


def _plain_parameters(signature: inspect.Signature) -> tuple[tuple[str, ...], int]:
    """The leading parameters that arguments by position go to one by one, and how many must be
    given; too many to reach if others must be given by name."""
    names: list[str] = []
    required = 0
    for parameter in signature.parameters.values():
        is_required = parameter.default is parameter.empty
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
            required += is_required
        elif parameter.kind is parameter.KEYWORD_ONLY and is_required:
            return (), 1
    return tuple(names), required


def _new_lock() -> None:
    """A fork may copy the lock while another thread holds it."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
