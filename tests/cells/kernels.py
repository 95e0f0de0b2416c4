"""A real kernel that executes cells one by one, and what each of them showed and left behind."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import KernelManager

from cells import probe

_PATIENCE = 60.0
# Executed silently, so that nothing of it is a name of the person's.
_PREPARE = f"""
import builtins, types
_m = types.ModuleType("cells_probe")
exec({inspect.getsource(probe)!r}, vars(_m))
builtins.cells_probe = _m
del _m, builtins, types
get_ipython().extension_manager.load_extension("cacheness")
"""
_LOOK = "cells_probe.Probe().look(get_ipython().user_ns, get_ipython().user_ns_hidden)"
_BEGIN = """
def _begin(folder, cache):
    import importlib, os, sys
    os.chdir(folder)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if "cells-" in file:
            del sys.modules[name]
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    ip = get_ipython()
    ip.run_line_magic("reset", "-f")
    import contextlib, io
    with contextlib.redirect_stdout(io.StringIO()):
        ip.run_line_magic("cacheness", f"config cache_dir={cache}")
_begin({folder!r}, {cache!r})
"""


@dataclass(frozen=True)
class Executed:
    """What one execution did. `status`: `ok`, `error` or `killed`; outputs: without reports;
    progress: what was said while it took long.
    """

    status: str
    outputs: list[Any]
    record: dict[str, Any] | None
    namespace: Any
    progress: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """As the magic reported it, or as the person saw it."""
        if self.status == "killed" or self.record is None:
            return self.status
        return str(self.record["outcome"])


class Kernel:
    """One kernel with the extension, in a folder of its own."""

    def __init__(self) -> None:
        self._folder = Path()
        self._cache = Path()
        self._manager, self._client = self._start()
        self._hidden(_PREPARE)

    def begin(self, folder: Path, cache: Path) -> None:
        """An empty namespace and cache, in `folder`."""
        self._folder, self._cache = folder, cache
        self._hidden(
            _BEGIN.replace("{folder!r}", repr(str(folder))).replace("{cache!r}", repr(str(cache)))
        )

    def restart(self) -> None:
        """Another process, with other hashes of strings, in the same folder."""
        self.stop()
        self._manager, self._client = self._start()
        self._hidden(_PREPARE)
        self.begin(self._folder, self._cache)

    def stop(self) -> None:
        """Ends the process."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def interrupt(self) -> None:
        """Interrupts what it executes."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        """Ends the process at once, as the system does when memory runs out."""
        self._manager.signal_kernel(signal.SIGKILL)

    def restart_in(self, folder: Path, cache: Path) -> None:
        """Another process with an empty namespace, in `folder`, with the entries of `cache`."""
        self._folder, self._cache = folder, cache
        self.restart()

    def execute(
        self, source: str, interrupt_after: float | None = None, *, look: bool = True
    ) -> Executed:
        """Executes a cell as a front end does; `look` adds what the namespace then holds."""
        sent = self._client.execute(source)
        if interrupt_after is not None:
            time.sleep(interrupt_after)
            self.interrupt()
        outputs: list[Any] = []
        try:
            self._receive(sent, outputs)
            status = str(self._reply(sent)["content"]["status"])
        except ChildProcessError:
            return Executed("killed", [], None, None)
        reports = [o for o in outputs if "cacheness" in o.get("metadata", {})]
        words = [report["metadata"]["cacheness"] for report in reports]
        progress = tuple(word["progress"] for word in words if "progress" in word)
        records = [word for word in words if "progress" not in word]
        record = records[-1] if records else None
        shown = _plain([o for o in outputs if o not in reports], self._folder)
        return Executed(status, shown, record, self.look() if look else None, progress)

    @staticmethod
    def _start() -> tuple[KernelManager, BlockingKernelClient]:
        manager = KernelManager(kernel_spec_manager=_ThisInterpreter())
        profile = tempfile.gettempdir()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("CACHENESS_")}
        environment |= {
            "IPYTHONDIR": f"{profile}/cells-ipython",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }
        manager.start_kernel(env=environment, extra_arguments=["--IPKernelApp.log_level=40"])
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=_PATIENCE)
        return manager, client

    def _hidden(self, source: str) -> None:
        sent = self._client.execute(source, silent=True, store_history=False)
        reply = self._reply(sent)["content"]
        if reply["status"] != "ok":
            raise RuntimeError("\n".join(reply["traceback"]))

    def look(self) -> Any:
        """What the namespace holds, in words."""
        sent = self._client.execute(
            "", silent=True, store_history=False, user_expressions={"n": _LOOK}
        )
        found = self._reply(sent)["content"]["user_expressions"]["n"]
        if found["status"] != "ok":
            raise RuntimeError("\n".join(found["traceback"]))
        return found["data"]["text/plain"]

    def _reply(self, sent: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = self._client.get_shell_msg(timeout=_PATIENCE)
            if message["parent_header"].get("msg_id") == sent:
                return message

    def _receive(self, sent: str, outputs: list[Any]) -> None:
        """Collects what the cell shows until the kernel is idle again."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(Empty):
                message = self._client.get_iopub_msg(timeout=0.5)
                kind, content = message["msg_type"], message["content"]
                if message["parent_header"].get("msg_id") != sent:
                    continue
                if kind == "status" and content["execution_state"] == "idle":
                    return
                if kind not in ("status", "execute_input"):
                    outputs.append({"type": kind, **content})
                continue
            if not self._manager.is_alive():
                raise ChildProcessError
        raise TimeoutError(f"nothing came for {_PATIENCE} seconds")


class _ThisInterpreter(KernelSpecManager):
    """Starts kernels with the running interpreter, whatever kernels the machine has registered."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec: KernelSpec = KernelSpec(argv=argv, display_name="Python", language="python")
        return spec


# What differs between two runs of the same cell, and says nothing.
_NOISE = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"0x[0-9a-f]{6,}", "0x"),
    (r"(/tmp/ipykernel_\d+/)?\d{6,}\.py", "<cell>"),
    (r"(CPU times|Wall time):[^\\\"]*", r"\1"),
    (r"get_ipython\(\)\.run_line_magic\('_cacheness_cell', '.*?'\)", "#"),
)


def _plain(outputs: list[Any], folder: Path) -> list[Any]:
    """Outputs with the pieces of one stream joined, and without what only time and place decide."""
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output["type"] == last.get("type") == "stream" and last["name"] == output["name"]:
            last["text"] += output["text"]
        else:
            merged.append(dict(output))
    text = json.dumps(_folded(merged), sort_keys=True, default=str, ensure_ascii=False)
    text = text.replace(str(folder), "<folder>").replace("\\u001b", "\x1b")
    for pattern, replacement in _NOISE:
        text = re.sub(pattern, replacement, text)
    plain: list[Any] = json.loads(text)
    return plain


def _folded(outputs: list[Any]) -> list[Any]:
    """The final picture: updates in the place of what they update, nothing that was cleared."""
    kept: list[Any] = []
    for output in outputs:
        same = [o for o in kept if _display(o) is not None and _display(o) == _display(output)]
        if output["type"] == "clear_output":
            kept = []
        elif output["type"] == "update_display_data" and same:
            same[-1] |= {"data": output["data"], "metadata": output["metadata"]}
        else:
            kept.append(output)
    for output in kept:
        if output["type"] == "stream":
            output["text"] = re.sub(r"[^\n]*\r(?=[^\n])", "", output["text"])
    return kept


def _display(output: Any) -> Any:
    return output.get("transient", {}).get("display_id")
