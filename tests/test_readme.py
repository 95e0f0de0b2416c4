"""What `README.md` shows is true: programs run, cells hit and miss, links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cacheness.magic.options import OPTION_NAMES
from documents import REPOSITORY, blocks, run_cells, run_program, sentence, without_figures

README = REPOSITORY / "README.md"
TEXT = README.read_text(encoding="utf-8")


def cells() -> list[str]:
    """The blocks that belong into a notebook."""
    return [block.text for block in blocks(README, "python") if block.is_cell]


def test_the_programs_run_in_order_in_an_empty_folder(tmp_path: Path) -> None:
    programs = [block.text for block in blocks(README, "python") if not block.is_cell]
    assert programs
    run_program(programs, tmp_path)


def test_the_cell_misses_and_hits_with_the_lines_that_are_printed(tmp_path: Path) -> None:
    load, cell = cells()
    first, second = run_cells(tmp_path, load, cell), run_cells(tmp_path, load, cell)
    assert first[-1].canonical() == second[-1].canonical()
    assert first[-1].outputs
    assert "Change `7` to `8`" in TEXT
    edited = run_cells(tmp_path, load, cell.replace("(7)", "(8)"))
    printed = [without_figures(block.text) for block in blocks(README) if block.is_line]
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
