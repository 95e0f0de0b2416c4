"""What a run was seen to read and do, beyond the variables that it names."""

from __future__ import annotations

import functools
import os
import stat
import tempfile
import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from typing import Any

from cacheness._cacheness import Recording, digest_bytes, watch_native
from cacheness.origin import installed_folders

# The name of an observed input: the names in a folder.
LISTING = "listing "
_FILES = frozenset(("read", "list", "look", "write", "scratch"))
_SYSTEM = (
    "/proc /sys /dev /usr/lib /usr/share/fonts /usr/share/locale /usr/share/fontconfig"
    " /usr/share/zoneinfo /etc/localtime /etc/timezone /etc/malloc.conf"
).split()

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
        read: files that it opened to read or found absent, absolute paths.
        looked_at: files that native code found by listing a folder and asked for the state of.
        reread: files that it wrote, and read after that.
        listed: folders that it listed.
        written: files that it wrote, moved or removed.
        effects: what it did to the world, by the keys of `EFFECTS`, each with an example.
        unseen: why there may be more than this; empty if there is not.
    """

    read: list[str] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    reread: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    effects: dict[str, str] = field(default_factory=dict)
    unseen: str = ""


class Observing:
    """An observation that goes on, of all threads and of processes that fork off. There may be
    several at a time, one inside of another.

    What unrelated threads open meanwhile counts, too: that costs a needless miss at most.
    """

    def __init__(self) -> None:
        self._recording: Recording | None = None
        self._told: list[tuple[str, str]] = []

    def start(self) -> None:
        """Begins to observe."""
        self._recording = Recording()
        _GOING_ON.add(self)

    def abort(self) -> None:
        """Ends it without asking what was seen."""
        self._recording = None
        _GOING_ON.discard(self)

    def tell(self, event: str, path: str) -> None:
        """Something that was not done, but counts as if."""
        self._told.append((event, os.path.abspath(path)))

    def stop(self, ignored: Iterable[str], looked_at: Iterable[str] = ()) -> Observation:
        """What was seen since `start`, without the folders in `ignored` and without what the system
        itself does. `looked_at` are more paths whose state was asked for.
        """
        recording = self._recording
        self.abort()
        if recording is None:
            return Observation(unseen="it was not observed")
        try:
            events = recording.stop()
        except RuntimeError as error:
            return Observation(unseen=str(error))
        events += self._told
        for path in map(os.path.abspath, looked_at):
            if not os.path.isdir(path):
                events.append(("read", path))
        return _observation(events, _is_noise(ignored))


_GOING_ON: weakref.WeakSet[Observing] = weakref.WeakSet()


def is_going_on() -> bool:
    """Whether anything is observed."""
    return len(_GOING_ON) > 0


def tell_inputs(observed: Iterable[Mapping[str, Any]]) -> None:
    """Tells what goes on about the observed inputs of an entry that is used in place of a run."""
    for told in observed:
        kind, name = told["kind"], str(told["name"])
        for observing in list(_GOING_ON):
            if kind in ("file", "absent"):
                observing.tell("read", name)
            elif kind == "state" and name.startswith(LISTING):
                observing.tell("list", name.removeprefix(LISTING))


@functools.cache
def watch_native_code() -> bool:
    """Sees from now on what native code opens, too, if the system allows it and
    `CACHENESS_WATCH_NATIVE` is not 0. The first call takes some milliseconds.
    """
    if os.environ.get("CACHENESS_WATCH_NATIVE") == "0" or not watch_native():
        return False
    load = ExtensionFileLoader.create_module

    def load_and_watch(self: ExtensionFileLoader, spec: ModuleSpec) -> types.ModuleType:
        module = load(self, spec)
        watch_native()
        return module

    ExtensionFileLoader.create_module = load_and_watch  # type: ignore[method-assign]
    return True


def _observation(events: Iterable[tuple[str, str]], is_noise: Callable[[str], bool]) -> Observation:
    seen = Observation()
    # What the run made itself is no input.
    made: set[str] = set()
    files: dict[str, dict[str, None]] = {"read": {}, "look": {}, "list": {}, "write": {}}
    for event, subject in events:
        if event not in _FILES:
            seen.effects.setdefault(event, subject)
            continue
        writes = event in ("write", "scratch")
        path = subject if writes else _source_of(subject)
        if path in made or is_noise(path):
            if event == "read" and path in made and path not in seen.reread:
                seen.reread.append(path)
            continue
        if writes:
            made.add(path)
        if event == "write":
            seen.effects.setdefault("write", path)
        if event in files:
            files[event][path] = None
    for path in files["look"]:
        if os.path.isfile(path) and os.path.dirname(path) in files["list"]:
            seen.looked_at.append(path)
        elif not os.path.isdir(path):
            files["read"][path] = None
    seen.read, seen.listed, seen.written = (list(files[k]) for k in ("read", "list", "write"))
    return seen


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


def _is_noise(ignored: Iterable[str]) -> Callable[[str], bool]:
    """Tells the files that say nothing about a run: code, and what programs keep for themselves."""
    prefixes = (*_system_folders(), *(folder + os.sep for folder in ignored))

    def is_noise(path: str) -> bool:
        folders = path.split(os.sep)
        return (
            (path + os.sep).startswith(prefixes)
            or "__pycache__" in folders
            or _is_beside_database(path)
            or _is_device(path)
        )

    return is_noise


def _is_beside_database(path: str) -> bool:
    """What SQLite keeps while a database is open: locks, and what a crash would have to undo."""
    database, _, suffix = path.rpartition("-")
    return suffix in ("shm", "journal") and os.path.isfile(database)


def _system_folders() -> tuple[str, ...]:
    """Prefixes of files that belong to the installation, to the system or to other programs'
    caches.
    """
    home = os.path.expanduser("~")
    environment = os.environ.get
    cache = environment("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    data = environment("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    jupyter = environment("JUPYTER_DATA_DIR") or os.path.join(data, "jupyter")
    folders = {
        *installed_folders(),
        *_SYSTEM,
        environment("IPYTHONDIR") or os.path.join(home, ".ipython"),
        environment("JUPYTER_CONFIG_DIR") or os.path.join(home, ".jupyter"),
        environment("JUPYTER_RUNTIME_DIR") or os.path.join(jupyter, "runtime"),
        environment("MPLCONFIGDIR") or os.path.join(cache, "matplotlib"),
        os.path.join(cache, "fontconfig"),
    }
    kernel_sources = os.path.join(tempfile.gettempdir(), "ipykernel_")
    return (*(os.path.join(folder, "") for folder in sorted(folders)), kernel_sources)


def listing_digest(folder: str) -> str:
    """The digest of the names in a folder, which may be gone."""
    try:
        names = "\0".join(sorted(os.listdir(folder)))
    except OSError:
        names = ""
    return digest_bytes(names.encode("utf-8", "surrogatepass"))


def shortened(path: str) -> str:
    """Relative to the working folder if it is below: a moved project keeps its entries."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
