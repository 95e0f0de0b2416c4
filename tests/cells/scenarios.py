"""Scenario files: Markdown in which every `##` is a story told in cells.

A fenced `python` block is a cell and runs where it stands. Its first line may go on with a name,
what is expected of it, and a piece of the reason that is given:

    ```python a: miss, first run

An `interrupted` block is a cell that is interrupted after half a second. Lines that begin with `- `
are steps: `restart kernel`, `reset` (the namespace only), `run a: hit`, `interrupt a: error`,
`edit file NAME`, `edit cell a: miss` (both followed by a block), `compare nothing` from here on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

OUTCOMES = ("hit", "miss", "uncacheable", "error", "killed", "ok")
# What a fenced block does, by its first word.
_RUNS = {"python": "run", "interrupted": "interrupt"}
_EXPECTS = re.compile(r"(?P<name>\w*)(?:\s*:\s*(?P<outcome>\w+)(?:\s*,\s*(?P<reason>.+))?)?$")
_MARK = re.compile(r"^(?:# ?)?%%cacheness.*\n", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One step. `what` is `run` or `interrupt` for cells, otherwise the words of the step."""

    what: str
    line: int
    source: str = ""
    file: str = ""
    outcome: str = "ok"
    reason: str = ""

    @property
    def marked(self) -> bool:
        """Whether the cell is one of ours."""
        return _MARK.search(self.source) is not None

    @property
    def unmarked(self) -> str:
        """The cell as it would be without us."""
        return _MARK.sub(
            lambda mark: "" if mark.end() == mark.string.find("%%", mark.end()) else "#\n",
            self.source,
        )


@dataclass(frozen=True)
class Scenario:
    """A story, by its heading and where it begins."""

    file: Path
    title: str
    steps: list[Step]

    @property
    def name(self) -> str:
        return f"{self.file.stem}: {self.title}"


def read(file: Path) -> list[Scenario]:
    """All scenarios of a file.

    Raises:
        ValueError: a line makes no sense, with its number.
    """
    found: list[Scenario] = []
    reader = _Reader(file)
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if reader.fence is None and line.startswith("## "):
            reader.steps, reader.cells = [], {}
            found.append(Scenario(file, line[3:].strip(), reader.steps))
        elif found:
            reader.feed(number, line)
    return found


class _Reader:
    def __init__(self, file: Path) -> None:
        self.steps: list[Step] = []
        self.cells: dict[str, str] = {}
        self.fence: str | None = None
        self._file = file
        self._block: list[str] = []
        self._pending = ""

    def feed(self, number: int, line: str) -> None:
        try:
            if self.fence is not None:
                self._inside(number, line)
            elif line.startswith("```"):
                self.fence, self._block = line[3:].strip(), []
            elif line.startswith("- "):
                self._step(number, line[2:].strip())
        except ValueError as error:
            raise ValueError(f"{self._file.name}:{number}: {error}") from None

    def _inside(self, number: int, line: str) -> None:
        if line != "```":
            self._block.append(line)
            return
        fence, self.fence = self.fence or "", None
        source = "\n".join(self._block) + "\n"
        pending, self._pending = self._pending, ""
        if pending.startswith("edit file "):
            name = pending.removeprefix("edit file ")
            self.steps.append(Step("edit file", number, source, name))
        elif pending.startswith("edit cell "):
            self._cell(number, pending.removeprefix("edit cell "), source)
        else:
            language, _, expects = fence.partition(" ")
            if language not in _RUNS:
                raise ValueError(f"a block of {language!r} without an `edit` before it")
            self._cell(number, expects, source, _RUNS[language])

    def _cell(self, number: int, expects: str, source: str, what: str = "run") -> None:
        match = _EXPECTS.match(expects.strip())
        if match is None:
            raise ValueError(f"cannot read {expects!r}")
        outcome = match["outcome"] or "ok"
        step = Step(what, number, source, "", outcome, match["reason"] or "")
        if outcome not in OUTCOMES or (step.marked and match["outcome"] is None):
            raise ValueError(f"expected one of {', '.join(OUTCOMES)}")
        if match["name"]:
            self.cells[match["name"]] = source
        self.steps.append(step)

    def _step(self, number: int, text: str) -> None:
        what, _, rest = text.partition(" ")
        if what in ("run", "interrupt"):
            name = re.split(r"\W", rest, maxsplit=1)[0]
            if name not in self.cells:
                raise ValueError(f"there is no cell {name!r}")
            self._cell(number, rest, self.cells[name], what)
        elif text in ("restart kernel", "reset", "compare nothing"):
            self.steps.append(Step(text, number))
        elif what == "edit":
            self._pending = text
        else:
            raise ValueError(f"no such step: {text!r}")
