"""Widgets and other live connections of a notebook to its kernel, which no restoring can open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cacheness.magic.capture import Output

_VIEW = "application/vnd.jupyter.widget-view+json"


def open_comms(shell: Any) -> dict[str, str]:
    """The connections of the kernel: id -> what answers it. None without a kernel."""
    manager = getattr(getattr(shell, "kernel", None), "comm_manager", None)
    comms = getattr(manager, "comms", None) or {}
    return {str(name): str(getattr(comm, "target_name", "?")) for name, comm in comms.items()}


def opened(before: Iterable[str], after: dict[str, str], outputs: Iterable[Output]) -> str | None:
    """What a run opened or showed of that kind, in words."""
    for output in outputs:
        if isinstance(output.data, dict) and _VIEW in output.data:
            shown = str(output.data.get("text/plain", "")).partition("(")[0].strip()
            return f"shows a widget (`{shown}`)" if shown else "shows a widget"
    for name in after.keys() - set(before):
        what = "a widget" if after[name].startswith("jupyter.widget") else f"`{after[name]}`"
        return f"opens a connection to the notebook for {what}"
    return None
