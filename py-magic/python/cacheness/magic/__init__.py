"""`%%cacheness`: cells that restore instead of running again."""

from __future__ import annotations

from typing import Any

from cacheness.magic.report import Record

__all__ = ["Record", "last", "load", "unload"]

_ATTRIBUTE = "_cacheness_extension"


def load(shell: Any) -> None:
    """Installs the magics in an IPython shell; a second time changes nothing."""
    from cacheness.magic.commands import Commands
    from cacheness.magic.extension import Extension

    if getattr(shell, _ATTRIBUTE, None) is not None:
        return
    extension = Extension(shell)
    extension.load()
    shell.register_magic_function(Commands(extension).line_magic, "line", "cacheness")
    object.__setattr__(shell, _ATTRIBUTE, extension)


def unload(shell: Any) -> None:
    """Takes the magics out again."""
    extension = getattr(shell, _ATTRIBUTE, None)
    if extension is not None:
        extension.unload()
        object.__setattr__(shell, _ATTRIBUTE, None)


def last() -> Record | None:
    """What happened to the last marked cell of this kernel."""
    from IPython.core.getipython import get_ipython

    extension = getattr(get_ipython(), _ATTRIBUTE, None)
    return None if extension is None else extension.last
