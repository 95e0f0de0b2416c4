"""What `README.md` shows is true: programs run, cells hit and miss, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from cacheness.magic.options import OPTION_NAMES
from cacheness.magic.report import Record

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from execution import CellRun, execute  # noqa: E402

TEXT = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str = "") -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def cells() -> list[str]:
    """The blocks that belong into a notebook."""
    return [block.rstrip("\n") for block in blocks("python") if block.startswith("%")]


def programs() -> list[str]:
    """The blocks that are plain Python."""
    return [block for block in blocks("python") if not block.startswith("%")]


def sentence(run: CellRun) -> str:
    """The line below a cell, with every figure replaced, so that two machines agree."""
    assert run.record is not None
    return without_figures(Record(**run.record).sentence())


def without_figures(line: str) -> str:
    line = re.sub(r"[\d.]+ (ms|s|min|h|d)\b( old)?|just stored", "TIME", line)
    return re.sub(r"[\d.]+ (B|kB|MB|GB)\b", "SIZE", line)


def run_cells(state: Path, *sources: str) -> list[CellRun]:
    """The cells in a kernel of their own; entries are kept in `state`."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return execute(notebook, folder=state, state=state)


def test_the_programs_run_in_order_in_an_empty_folder(tmp_path: Path) -> None:
    assert programs()
    script = tmp_path / "readme.py"
    script.write_text("\n".join(programs()), encoding="utf-8")
    subprocess.run([sys.executable, script.name], cwd=tmp_path, check=True, timeout=300)


def test_the_cell_misses_and_hits_with_the_lines_that_are_printed(tmp_path: Path) -> None:
    load, cell = cells()
    first, second = run_cells(tmp_path, load, cell), run_cells(tmp_path, load, cell)
    assert first[-1].canonical() == second[-1].canonical()
    assert first[-1].outputs
    assert "Change `7` to `8`" in TEXT
    edited = run_cells(tmp_path, load, cell.replace("(7)", "(8)"))
    printed = [without_figures(block.strip()) for block in blocks() if block[0] in "○●"]
    assert [sentence(run[-1]) for run in (first, second, edited)] == printed


def test_a_comment_keeps_the_entry_and_the_line_may_be_a_comment(tmp_path: Path) -> None:
    load, cell = cells()
    as_comment = cell.replace("%%cacheness", "#%%cacheness")
    assert as_comment.splitlines()[0] in TEXT
    run = run_cells(tmp_path, load, cell, f"{cell}  # the largest three", as_comment)
    assert [one.record and one.record["outcome"] for one in run[1:]] == ["miss", "hit", "hit"]


def test_the_table_has_every_option() -> None:
    table = "\n".join(line for line in TEXT.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)=", table)) == set(OPTION_NAMES)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make (\w+)", TEXT, re.M))))
def test_the_commands_exist(target: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:.*## ", makefile, flags=re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md"])
def test_the_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (REPOSITORY / page).read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if "://" not in link and not (REPOSITORY / link).exists()]
    assert missing == []
