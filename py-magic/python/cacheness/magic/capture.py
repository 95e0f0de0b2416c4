"""Records what a cell shows while it streams as usual, and shows it again.

The tap sits on the instances that outputs go through (`sys.stdout`, the display publisher, the
display hook), so that whatever reaches the front end is recorded in the order of the program,
wherever it was called from.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["stdout", "stderr", "display", "result", "clear"]
_ABSENT: Final = object()


@dataclass
class Output:
    """One thing that was shown.

    Attributes:
        kind: the stream, or what kind of message it was.
        data: text of a stream, otherwise the MIME bundle.
        metadata: of the bundle.
        transient: of the bundle; holds a display id.
        update: whether a display replaces an earlier one of the same id; for `clear`, whether it
            waits.
    """

    kind: Kind
    data: Any = ""
    metadata: dict[str, Any] | None = None
    transient: dict[str, Any] | None = None
    update: bool = False


class Capture:
    """One recording, from `start` to `stop`. `failed` says that the cell showed a traceback."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.outputs: list[Output] = []
        self.failed = False
        self.result: Any = None
        self._undo: list[Callable[[], None]] = []
        # Inside the display machinery of a terminal, what is written to stdout is already recorded
        # as a display.
        self._displaying = 0
        self._in_kernel = hasattr(sys.stdout, "pub_thread")
        self._parent = self._parent_id()

    def start(self) -> None:
        self._patch_stream("stdout")
        if sys.stderr is not sys.stdout:
            self._patch_stream("stderr")
        publisher = self.shell.display_pub
        self._patch(publisher, "publish", self._publish)
        self._patch(publisher, "clear_output", self._clear)
        self._patch(self.shell, "_showtraceback", self._traceback)
        self._patch_hook()

    def stop(self) -> None:
        """Ends the recording; outputs that are still on their way are waited for. Never raises."""
        with contextlib.suppress(Exception):
            drain_streams()
        while self._undo:
            with contextlib.suppress(Exception):
                self._undo.pop()()

    # --- taps ---

    def _patch(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        had = name in vars(owner)
        setattr(owner, name, make(original))

        def undo() -> None:
            if had:
                setattr(owner, name, original)
            else:
                vars(owner).pop(name, None)

        self._undo.append(undo)

    def _patch_hook(self) -> None:
        original = sys.displayhook
        tapped = sys.displayhook = self._hook(original)

        def undo() -> None:
            # IPython puts the old hook back by itself when it leaves the cell.
            if sys.displayhook is tapped:
                sys.displayhook = original

        self._undo.append(undo)

    def _patch_stream(self, name: Kind) -> None:
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOBase) and not hasattr(stream, "__dict__"):
            return self._replace_stream(name, stream)
        with contextlib.suppress(AttributeError):
            self._patch(stream, "write", lambda write: self._write(name, write))

    def _replace_stream(self, name: Kind, stream: Any) -> None:
        """A stream without instance attributes gets a stand-in that passes everything on."""
        setattr(sys, name, _Tee(stream, self._write(name, stream.write)))
        self._undo.append(lambda: setattr(sys, name, stream))

    def _write(self, name: Kind, write: Callable[[str], Any]) -> Callable[[str], Any]:
        def tapped(text: str) -> Any:
            if isinstance(text, str) and not self._displaying and self._is_ours():
                last = self.outputs[-1] if self.outputs else None
                if last is not None and last.kind == name:
                    last.data += text
                else:
                    self.outputs.append(Output(name, text))
            return write(text)

        return tapped

    def _publish(self, publish: Callable[..., Any]) -> Callable[..., Any]:
        def tapped(data: Any, metadata: Any = None, *args: Any, **options: Any) -> Any:
            transient, update = options.get("transient"), bool(options.get("update"))
            if self._is_ours():
                bundle = Output("display", dict(data), dict(metadata or {}), transient, update)
                self.outputs.append(bundle)
            with self._display():
                return publish(data, metadata, *args, **options)

        return tapped

    def _clear(self, clear: Callable[..., Any]) -> Callable[..., Any]:
        def tapped(wait: bool = False) -> Any:
            if self._is_ours():
                self.outputs.append(Output("clear", update=bool(wait)))
            with self._display():
                return clear(wait)

        return tapped

    def _traceback(self, show: Callable[..., Any]) -> Callable[..., Any]:
        def tapped(*args: Any, **options: Any) -> Any:
            self.failed = True
            return show(*args, **options)

        return tapped

    def _hook(self, hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def tapped(result: Any) -> Any:
            formatter = self.shell.display_formatter
            format_result = formatter.format
            taken: list[Output] = []

            def tapped_format(value: Any, *args: Any, **options: Any) -> Any:
                # An object that displays itself publishes from here, before its own (empty) bundle.
                data, metadata = format_result(value, *args, **options)
                taken.append(Output("result", dict(data), dict(metadata)))
                self.outputs.append(taken[-1])
                return data, metadata

            vars(formatter)["format"] = tapped_format
            try:
                with self._display():
                    return hook(result)
            finally:
                vars(formatter).pop("format", None)
                if taken:
                    self.result = result

        return tapped

    @contextlib.contextmanager
    def _display(self) -> Iterator[None]:
        self._displaying += not self._in_kernel
        try:
            yield
        finally:
            self._displaying -= not self._in_kernel

    def _is_ours(self) -> bool:
        """False for output of another cell's task or of a subshell that comes meanwhile."""
        return self._parent is None or self._parent_id() == self._parent

    @staticmethod
    def _parent_id() -> str | None:
        parent = getattr(sys.stdout, "parent_header", None)
        return parent.get("msg_id") if isinstance(parent, dict) else None


class _Tee(io.TextIOBase):
    def __init__(self, stream: Any, write: Callable[[str], Any]) -> None:
        self._stream = stream
        self._write = write

    def write(self, text: str) -> int:
        return int(self._write(text) or 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return int(self._stream.fileno())

    def isatty(self) -> bool:
        return bool(self._stream.isatty())


def drain_streams() -> None:
    """Waits until what C code and child processes wrote to the file descriptors has arrived."""
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).fflush(None)
    for stream in (sys.stdout, sys.stderr):
        descriptor = getattr(stream, "_fid", None)
        if isinstance(descriptor, int):
            _wait_until_read(descriptor)
        with contextlib.suppress(Exception):
            stream.flush()


def _wait_until_read(descriptor: int, patience: float = 0.5) -> None:
    """Until the kernel's watcher thread has emptied the pipe, `patience` seconds at most."""
    import fcntl
    import termios

    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        pending = fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0")
        if int.from_bytes(pending, sys.byteorder) == 0:
            break
        time.sleep(0.0005)
    time.sleep(0.001)


def flush_figures() -> None:
    """Shows the figures that the inline backend keeps until the end of a cell."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    if backend is not None and "matplotlib.pyplot" in sys.modules:
        backend.flush_figures()


def compact(outputs: list[Output]) -> list[Output]:
    """The same final picture with less: what was cleared or overwritten is gone, updates are folded
    in.
    """
    kept: list[Output] = []
    shown: dict[Any, Output] = {}
    for output in outputs:
        if output.kind == "clear":
            kept, shown = [output], {}
            continue
        identity = (output.transient or {}).get("display_id")
        if output.update and identity in shown:
            shown[identity].data, shown[identity].metadata = output.data, output.metadata
            continue
        if identity is not None:
            shown[identity] = output
        kept.append(output)
    for output in kept:
        if output.kind in ("stdout", "stderr"):
            output.data = _overwritten(output.data)
    return kept


def _overwritten(text: str) -> str:
    """What a terminal shows of lines that rewrite themselves with carriage returns."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    # Only the last state of a progress bar counts; text after the last return may be empty.
    return "\n".join(_last_state(line) for line in lines)


def _last_state(line: str) -> str:
    states = [state for state in line.split("\r") if state]
    if len(states) < 2:
        return line
    return f"\r{states[-1]}" if line.startswith("\r") else states[-1]


def replay(shell: Any, outputs: list[Output], result: Any) -> None:
    """Shows recorded outputs during the cell that is executing. `result` is the last expression's
    value.

    Raises:
        Exception: what showing the first of those that could not be shown raised; the others were.
    """
    failure: Exception | None = None
    for output in outputs:
        try:
            _replay_one(shell, output, result)
        except Exception as error:
            failure = failure or error
    if failure is not None:
        raise failure


def _replay_one(shell: Any, output: Output, result: Any) -> None:
    if output.kind in ("stdout", "stderr"):
        getattr(sys, output.kind).write(output.data)
    elif output.kind == "clear":
        shell.display_pub.clear_output(output.update)
    elif output.kind == "display":
        options = {"transient": output.transient} if output.transient else {}
        shell.display_pub.publish(output.data, output.metadata, update=output.update, **options)
    else:
        _replay_result(shell, output, result)


def _replay_result(shell: Any, output: Output, result: Any) -> None:
    formatter = shell.display_formatter
    stored = (output.data, output.metadata)
    vars(formatter)["format"] = lambda *args, **options: stored
    # The hook shows nothing for `None`, which is here a value that could not be stored.
    absent = result is None
    if absent:
        vars(shell.displayhook)["update_user_ns"] = lambda _: _forget_last_value(shell)
    try:
        sys.displayhook(_ABSENT if absent else result)
    finally:
        vars(formatter).pop("format", None)
        vars(shell.displayhook).pop("update_user_ns", None)
    if absent and getattr(shell.displayhook, "exec_result", None) is not None:
        shell.displayhook.exec_result.result = None


def _forget_last_value(shell: Any) -> None:
    """Makes `_` unknown, where it would otherwise still be the value of an earlier cell."""
    hook, user_ns = shell.displayhook, shell.user_ns
    if all(user_ns.get(name) is getattr(hook, name) for name in ("_", "__", "___")):
        hook.___, hook.__, hook._ = hook.__, hook._, ""
        shell.push({"__": hook.__, "___": hook.___}, interactive=False)
        del user_ns["_"]
