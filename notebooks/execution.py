"""Execute a notebook in a fresh kernel; see, cell by cell, what was run and what restored."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

MAGIC = "%%cacheness"


@dataclass(frozen=True)
class CellRun:
    """One execution of a code cell: wall time in seconds, outputs without the magic's report."""

    name: str
    cached: bool
    elapsed: float
    outputs: list[dict[str, Any]] = field(repr=False)
    record: dict[str, Any] | None = None

    @property
    def outcome(self) -> str:
        """`hit`, `miss`, `uncacheable` or `error` for a cell with the magic, else `plain`."""
        if not self.cached:
            return "plain"
        return str(self.record["outcome"]) if self.record else "unreported"

    @property
    def reason(self) -> str:
        """Why the cell was run, in the words of the magic."""
        return str((self.record or {}).get("reason") or "")

    @property
    def restored(self) -> list[str]:
        """The names that a hit brought back."""
        return [str(name) for name in (self.record or {}).get("restored") or []]

    def canonical(self) -> bytes:
        """The outputs as bytes, equal exactly where two cells printed and drew the same."""
        return json.dumps(self.outputs, sort_keys=True).encode()


class CellError(Exception):
    """A cell of the notebook raised; the message is its traceback, the name that of the cell."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class _ThisInterpreter(KernelSpecManager):
    """Starts kernels with the running interpreter, whatever kernels the machine has registered."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec: KernelSpec = KernelSpec(
            argv=argv, name=kernel_name, display_name="Python", language="python"
        )
        return spec


class _FreshKernel(AsyncKernelManager):
    def __init__(self, **settings: Any) -> None:
        super().__init__(kernel_spec_manager=_ThisInterpreter(), **settings)


def read(path: Path) -> NotebookNode:
    """The notebook at `path`."""
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def with_parameters(notebook: NotebookNode, **values: object) -> NotebookNode:
    """A copy with a cell that assigns `values` after the one tagged `parameters` (as papermill)."""
    changed = copy.deepcopy(notebook)
    tagged = [
        i for i, cell in enumerate(changed.cells) if "parameters" in cell.metadata.get("tags", [])
    ]
    if len(tagged) != 1:
        raise ValueError(f"expected one cell tagged `parameters`, found {len(tagged)}")
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    cell = nbformat.v4.new_code_cell(source, id="injected-parameters")
    changed.cells.insert(tagged[0] + 1, cell)
    return changed


def with_edit(notebook: NotebookNode, name: str, old: str, new: str) -> NotebookNode:
    """A copy in which the one occurrence of `old` in the cell `name` reads `new`."""
    changed = copy.deepcopy(notebook)
    (cell,) = [cell for cell in changed.cells if cell.id == name]
    if cell.source.count(old) != 1:
        raise ValueError(f"cell {name!r} does not contain {old!r} exactly once")
    cell.source = cell.source.replace(old, new)
    return changed


def execute(
    notebook: NotebookNode,
    *,
    folder: Path,
    state: Path,
    on_cell: Callable[[CellRun], None] | None = None,
    on_start: Callable[[str], None] | None = None,
) -> list[CellRun]:
    """Run all code cells of a copy of `notebook` in a fresh kernel, with entries kept in `state`.

    `folder` is the working directory of the kernel. `on_start` is called with a cell's name before
    it runs, `on_cell` with its run afterwards. Raises `CellError` at the first cell that raises.
    """
    notebook = copy.deepcopy(notebook)
    started: dict[int, float] = {}
    runs: list[CellRun] = []

    def begin(cell: NotebookNode, cell_index: int) -> None:
        if on_start:
            on_start(cell.id)
        started[cell_index] = time.perf_counter()

    def end(cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        elapsed = time.perf_counter() - started[cell_index]
        runs.append(_observe(cell, elapsed))
        if on_cell and execute_reply["content"]["status"] == "ok":
            on_cell(runs[-1])

    client = NotebookClient(
        notebook,
        kernel_manager_class=_FreshKernel,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=40"],
        timeout=None,
        record_timing=False,
        on_cell_execute=begin,
        on_cell_executed=end,
    )
    try:
        asyncio.run(_drive(client, environment(state)))
    except CellExecutionError as error:
        raise CellError(runs[-1].name if runs else "", str(error)) from None
    return runs


async def _drive(client: NotebookClient, environment: dict[str, str]) -> None:
    """Execute; on Ctrl-C end the kernel at once and raise KeyboardInterrupt.

    nbclient's own handler, installed just before the notebook starts, ends the kernel but leaves
    the caller waiting.
    """
    interrupted = False
    task = asyncio.current_task()

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        client.shutdown_kernel = "immediate"
        if task:
            task.cancel()

    def listen(**_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)

    client.on_notebook_start = listen
    try:
        await client.async_execute(env=environment)
    except (asyncio.CancelledError, DeadKernelError):
        if interrupted:
            raise KeyboardInterrupt from None
        raise


def environment(state: Path) -> dict[str, str]:
    """The kernel's environment: its own cache and IPython profile, none of the person's settings.

    Threads that wait do so asleep: busy waiting makes model fits several times slower as soon as
    something else runs.
    """
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("CACHENESS_")},
        "CACHENESS_CACHE_DIR": str(state / "cache"),
        "IPYTHONDIR": str(state / "ipython"),
        "OMP_WAIT_POLICY": "passive",
    }


def _observe(cell: NotebookNode, elapsed: float) -> CellRun:
    reports = [output for output in cell.outputs if "cacheness" in output.get("metadata", {})]
    return CellRun(
        name=cell.id,
        cached=cell.source.startswith(MAGIC),
        elapsed=elapsed,
        outputs=_merge_streams(output for output in cell.outputs if output not in reports),
        record=reports[-1]["metadata"]["cacheness"] if reports else None,
    )


def _merge_streams(outputs: Iterable[NotebookNode]) -> list[dict[str, Any]]:
    """The outputs, with neighbouring pieces of one stream joined: only timing decides the cuts."""
    merged: list[dict[str, Any]] = []
    for output in outputs:
        piece = json.loads(json.dumps(output))
        last = merged[-1] if merged else {}
        same = last.get("output_type") == piece["output_type"] == "stream"
        if same and last["name"] == piece["name"]:
            last["text"] += piece["text"]
        else:
            merged.append(piece)
    return merged
