"""What the pages of `docs/` show is true: examples run, commands exist, every setting is there."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from cacheness import CacheConfig
from cacheness.cli import command_line
from cacheness.config import FLAT, SECTIONS
from documents import REPOSITORY, blocks, run_cells, run_program, sentence, without_figures

DOCS = REPOSITORY / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "measurements" not in page.parts)
WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name)
def test_the_examples_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    examples = blocks(page, "python")
    if not any(block.is_cell for block in examples):
        run_program([block.text for block in examples], tmp_path)
        return
    runs = iter(run_cells(tmp_path, *(block.text for block in examples)))
    run = None
    for block in blocks(page):
        if block.language == "python":
            run = next(runs)
        elif block.is_line:
            assert run is not None
            assert sentence(run) == without_figures(block.text)


def commands() -> list[tuple[str, str]]:
    """Each command line of a page that calls `cacheness` or `%cacheness`, without that word."""
    found = []
    for page in PAGES:
        for block in blocks(page):
            if block.language in ("console", "text"):
                lines = re.findall(r"^(?:\$ )?cacheness (.*?)(?: +# .*)?$", block.text, re.M)
                found += [(name(page), line) for line in lines]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_line_makes_sense(page: str, line: str) -> None:
    command_line(shlex.split(line))


def test_every_parameter_stands_in_the_reference_with_its_default() -> None:
    table = dict(
        re.findall(
            r"^\| `(\w+)` \| `(.*?)` \|",
            (DOCS / "reference" / "configuration.md").read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
    )
    config = CacheConfig()
    assert len(FLAT) == sum(len(dataclasses.fields(section)) for section in SECTIONS.values())
    expected = {name: repr(getattr(config, name)) for name in FLAT if name != "metadata_backend"}
    expected["metadata_backend"] = repr(config.metadata.backend)
    expected |= {
        own: repr(getattr(config, own)) for own in ("default_ttl_hours", "hash_path_content")
    }
    assert table == expected


def test_every_page_is_reached_and_none_is_missing() -> None:
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    assert set(re.findall(r"\S+\.md", navigation)) == {name(page) for page in DOCS.rglob("*.md")}
