"""Local modules as they were when their import ended, so that later changes can be told.

A cell that imports a module itself depends on its file; but the module may have been loaded long
ago, and somebody may have set a name in it since.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

from cacheness.errors import UnstableValueError
from cacheness.fingerprint import fingerprint
from cacheness.origin import code_origin, is_installed_file

_LOADER = importlib.machinery.SourceFileLoader


class ImportWatch:
    """Notes what each local module holds when its import ends, from `start` to `stop`."""

    def __init__(self) -> None:
        self._noted: weakref.WeakKeyDictionary[types.ModuleType, dict[str, Any]] = (
            weakref.WeakKeyDictionary()
        )
        self._undo: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begins to note."""
        original = vars(_LOADER).get("exec_module")
        call = _LOADER.exec_module

        def exec_module(own: Any, module: types.ModuleType) -> None:
            call(own, module)
            if not is_installed_file(own.path):
                self._noted[module] = _members(module)

        # Frames of this file are what Python leaves out of the traceback of a failing import.
        hidden = exec_module.__code__.replace(co_filename=call.__code__.co_filename)
        exec_module.__code__ = hidden
        setattr(_LOADER, "exec_module", exec_module)  # noqa: B010
        if original is None:
            self._undo = lambda: delattr(_LOADER, "exec_module")
        else:
            self._undo = lambda: setattr(_LOADER, "exec_module", original)

    def stop(self) -> None:
        """Leaves the import system as it was."""
        self._undo()

    def known(self) -> set[types.ModuleType]:
        """The modules that were noted."""
        return set(self._noted)

    def changed_members(self, name: str) -> list[tuple[str, str]]:
        """Public names of a local module that were set or changed since its import, and digests.

        A module that was loaded before anybody watched counts as unchanged when first asked for.
        """
        module = sys.modules.get(name)
        if module is None or code_origin(name) is not None:
            return []
        now = _members(module)
        was = self._noted.setdefault(module, now)
        return [(name, str(digest)) for name, digest in now.items() if was.get(name) != digest]


# The import system is one for the whole process, as the modules are.
WATCH = ImportWatch()


def _members(module: types.ModuleType) -> dict[str, Any]:
    """A digest of each public name of a module; what has none counts by identity."""
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        if name.startswith("__") or isinstance(value, (types.ModuleType, types.FunctionType, type)):
            continue
        try:
            found[name] = fingerprint(value)
        except UnstableValueError:
            found[name] = id(value)
    return found
