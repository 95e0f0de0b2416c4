"""Markdown pages as programs: their fenced blocks in order, run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

from cacheness.magic.report import Record

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from execution import CellRun, execute  # noqa: E402

_BLOCK = re.compile(
    r"^```(?P<language>\w*)[^\n]*\n(?P<shown>.*?)^```$|^<!-- setup\n(?P<hidden>.*?)^-->$",
    flags=re.MULTILINE | re.DOTALL,
)
_MARKS = ("○", "●", "△")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. A comment `<!-- setup … -->` is a Python block that readers do not
    see: what an example needs and need not show.
    """

    language: str
    text: str

    @property
    def is_cell(self) -> bool:
        """Whether it only makes sense in a notebook."""
        return self.language == "python" and self.text.startswith(("%", "#%%", "# %%"))

    @property
    def is_line(self) -> bool:
        """Whether it is the line that stands below a cell."""
        return not self.language and self.text.startswith(_MARKS)


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The fenced blocks of a page, or those of one language, in order."""
    found = []
    for match in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        shown = match["shown"] is not None
        text = match["shown"] if shown else match["hidden"]
        found.append(Block(match["language"] if shown else "python", text.rstrip("\n")))
    return [block for block in found if language is None or block.language == language]


def run_program(sources: list[str], folder: Path) -> None:
    """Runs the sources as one script in `folder`; its failure is the test's."""
    script = folder / "page.py"
    script.write_text("\n\n".join(sources), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script.name], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


def run_cells(state: Path, *sources: str) -> list[CellRun]:
    """The cells in a kernel of their own; entries are kept in `state`."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return execute(notebook, folder=state, state=state)


def sentence(run: CellRun) -> str:
    """The line below a cell, with every figure replaced, so that two machines agree."""
    assert run.record is not None
    return without_figures(Record(**run.record).sentence())


def without_figures(line: str) -> str:
    """A line below a cell without its sizes and durations."""
    line = re.sub(r"[\d.]+ (ms|s|min|h|d)\b( old)?|just stored", "TIME", line)
    return re.sub(r"[\d.]+ (B|kB|MB|GB)\b", "SIZE", line)
