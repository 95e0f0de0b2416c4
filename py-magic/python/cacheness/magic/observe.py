"""What a run was seen to read and do, beyond the variables that it names."""

from __future__ import annotations

import os
import stat
import sysconfig
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field

from cacheness._cacheness import start_audit, stop_audit

# What the report says that a cell did, when that cannot be done again by restoring.
EFFECTS = {
    "write": "wrote files",
    "subprocess": "ran a program",
    "network": "used the network",
    "input": "asked for input",
    "clock": "used the clock",
    "chance": "used fresh randomness",
}


@dataclass
class Observation:
    """What one run did.

    Attributes:
        read: files that it opened to read, absolute paths.
        listed: folders that it listed.
        written: files that it wrote, moved or removed.
        effects: what it did to the world, by the keys of `EFFECTS`, each with an example.
    """

    read: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    effects: dict[str, str] = field(default_factory=dict)


def start() -> bool:
    """Begins to observe; `False` when another run is observed already."""
    try:
        start_audit()
    except RuntimeError:
        return False
    return True


def stop(ignored: tuple[str, ...], looked_at: Iterable[str] = ()) -> Observation:
    """What was seen since `start`, without the folders in `ignored` and without what the system
    itself does. `looked_at` are paths whose state was asked for.
    """
    seen = Observation()
    written: set[str] = set()
    ignored = (*_system_folders(), *(folder + os.sep for folder in ignored))
    for event, subject in stop_audit():
        if event in ("read", "list", "write"):
            path = _source_of(subject)
            if _is_device(path) or (path + os.sep).startswith(ignored):
                continue
            if event == "write":
                if "__pycache__" in path.split(os.sep):
                    continue
                written.add(path)
                if not _is_temporary(path):
                    seen.effects.setdefault("write", path)
                    _append(seen.written, path)
            elif event == "list":
                _append(seen.listed, path)
            elif path not in written:
                _append(seen.read, path)
        else:
            seen.effects.setdefault(event, subject)
    for path in map(os.path.abspath, looked_at):
        is_own = not (path + os.sep).startswith(ignored) and path not in written
        if is_own and (os.path.isfile(path) or not os.path.exists(path)):
            _append(seen.read, path)
    return seen


def _append(paths: list[str], path: str) -> None:
    if path not in paths:
        paths.append(path)


def _source_of(path: str) -> str:
    """A module's source for its byte code: the same name in the folder above, without the
    interpreter's tag.
    """
    folder, name = os.path.split(path)
    if name.endswith(".pyc") and os.path.basename(folder) == "__pycache__":
        return os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")
    return path


def _is_device(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _is_temporary(path: str) -> bool:
    return path.startswith(tempfile.gettempdir() + os.sep) and not os.path.exists(path)


def _system_folders() -> tuple[str, ...]:
    """Prefixes of files that belong to the installation, to the system or to other programs'
    caches.
    """
    paths = sysconfig.get_paths()
    home = os.path.expanduser("~")
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {os.path.realpath(folder) for folder in folders}
    folders |= {"/proc", "/sys", "/dev", "/usr/share", "/usr/lib"}
    folders |= {os.path.join(home, name) for name in (".ipython", ".jupyter")}
    caches = {os.environ.get("XDG_CACHE_HOME"), os.path.join(home, ".cache")} - {None, ""}
    folders |= {
        os.path.join(cache, name)
        for cache in caches
        if cache
        for name in ("matplotlib", "fontconfig")
    }
    folders.add(os.environ.get("MPLCONFIGDIR", ""))
    kernel_sources = os.path.join(tempfile.gettempdir(), "ipykernel_")
    return (*(folder + os.sep for folder in sorted(folders) if folder), kernel_sources)


def listing_digest_text(folder: str) -> str:
    """The names in a folder, as one text; empty when it is gone."""
    try:
        return "\0".join(sorted(os.listdir(folder)))
    except OSError:
        return ""
