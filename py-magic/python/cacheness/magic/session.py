"""What a run did to the session that restoring could not do again: then it is not stored."""

from __future__ import annotations

import asyncio
import atexit
import builtins
import functools
import logging
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterable
from typing import Any

from cacheness.magic.databases import hidden_objects
from cacheness.magic.imports import WATCH
from cacheness.origin import code_origin, is_installed_file

_HOOKS = ("breakpointhook", "unraisablehook", "stdout", "stderr")
# Names that IPython puts there while a cell runs.
_SHELL_BUILTINS = frozenset("get_ipython display exit quit _".split())
_SIGNALS = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP")


def own_threads() -> set[threading.Thread]:
    """Threads that run code of the person's own now."""
    return {thread for thread in threading.enumerate() if _is_own_thread(thread)}


class SessionWatch:
    """A look at the session before a run, and the difference after it."""

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}
        self._threads: set[threading.Thread] = set()
        self._tasks: set[Any] = set()
        self._loggers: dict[str, Any] = {}
        self._modules: dict[str, Any] = {}
        self._known: set[types.ModuleType] = set()
        self._loaded: dict[str, Any] = {}
        self._interrupts: Any = None
        self._at_exit = False
        self._undo: list[Callable[[], None]] = []

    def start(self, imports: Iterable[str]) -> None:
        """Looks, also into the local modules that the cell imports, and begins to notice
        interrupts and what is left to be done at exit.
        """
        self._before = _look()
        self._threads, self._tasks = own_threads(), _own_tasks()
        self._loggers = _loggers()
        self._modules = {name: WATCH.changed_members(name) for name in imports}
        self._known = WATCH.known()
        self._loaded = dict(sys.modules)
        self._watch_interrupts()
        self._watch_exit()

    def stop(self) -> None:
        """Takes the taps off."""
        while self._undo:
            self._undo.pop()()

    def change(self, uses_pyplot: bool) -> str | None:
        """What the run did, in words; `None` when restoring can do all of it."""
        if self._interrupts is not None and self._interrupts.cache_info().misses:
            return "it was interrupted and went on"
        now = _look()
        for name, was in self._before.items():
            if now[name] != was:
                return f"it changed {name}"
        if own_threads() - self._threads:
            return "it left a thread running"
        if _own_tasks() - self._tasks:
            return "it left a task running"
        changed = _changed_logger(self._loggers, _loggers())
        if changed is not None:
            return f"it set up logging (`{changed}`)"
        if uses_pyplot and _open_figures():
            return "it left a figure open"
        if self._at_exit:
            return "it left something to be done at exit"
        for name, loaded in self._loaded.items():
            file = getattr(loaded, "__file__", None)
            own = isinstance(file, str) and not is_installed_file(file)
            if own and sys.modules.get(name) is not loaded:
                return f"it unloaded the module `{name}`"
        new: dict[str, Any] = {module.__name__: [] for module in WATCH.known() - self._known}
        for name, was in {**self._modules, **new}.items():
            for member, digest in WATCH.changed_members(name):
                if (member, digest) not in was:
                    return f"it set `{name}.{member}`"
        return None

    def _watch_interrupts(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        previous = signal.getsignal(signal.SIGINT)
        if not callable(previous):
            return

        # This counts the calls without a frame of its own, which a traceback would show.
        noticed = self._interrupts = functools.lru_cache(maxsize=0)(previous)
        signal.signal(signal.SIGINT, noticed)

        def undo() -> None:
            if signal.getsignal(signal.SIGINT) is noticed:
                signal.signal(signal.SIGINT, previous)

        self._undo.append(undo)

    def _watch_exit(self) -> None:
        original = atexit.register

        def register(function: Any, *args: Any, **options: Any) -> Any:
            if not is_installed_file(sys._getframe(1).f_code.co_filename):
                self._at_exit = True
            return original(function, *args, **options)

        setattr(atexit, "register", register)  # noqa: B010

        def undo() -> None:
            if vars(atexit)["register"] is register:
                setattr(atexit, "register", original)  # noqa: B010

        self._undo.append(undo)


def _look() -> dict[str, Any]:
    looked: dict[str, Any] = {f"sys.{name}": id(getattr(sys, name)) for name in _HOOKS}
    looked["the builtins"] = {
        name: id(value) for name, value in vars(builtins).items() if name not in _SHELL_BUILTINS
    }
    looked["what DuckDB's own connection holds"] = hidden_objects()
    looked["the handling of signals"] = [
        signal.getsignal(getattr(signal, name)) for name in _SIGNALS if hasattr(signal, name)
    ]
    return looked


def _is_own_thread(thread: threading.Thread) -> bool:
    if code_origin(type(thread).__module__) is None:
        return True
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    return code is not None and not is_installed_file(code.co_filename)


def _own_tasks() -> set[Any]:
    """Tasks that wait on the running loop and run code of the person's own, without the cell's."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return set()
    current = asyncio.current_task(loop)
    return {
        task
        for task in asyncio.all_tasks(loop)
        if task is not current and not is_installed_file(_code_file(task))
    }


def _code_file(task: Any) -> str:
    code = getattr(task.get_coro(), "cr_code", None)
    return str(code.co_filename) if code is not None else os.__file__


def _loggers() -> dict[str, Any]:
    """Settings of the loggers there are, in a form that can be compared."""
    known = {**logging.root.manager.loggerDict, "root": logging.root}
    return {
        name: _own_settings(log) for name, log in known.items() if isinstance(log, logging.Logger)
    }


def _own_settings(log: logging.Logger) -> Any:
    return log.level, log.disabled, log.propagate, [id(handler) for handler in log.handlers]


def _changed_logger(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """Of the loggers that are new, a library sets up its own when it is loaded."""
    for name, settings in after.items():
        if before.get(name, (0, False, True, [])) != settings and (
            name in before or name.partition(".")[0] not in sys.modules
        ):
            return name
    return None


def _open_figures() -> bool:
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return helpers is not None and bool(helpers.Gcf.figs)
