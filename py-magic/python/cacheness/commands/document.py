"""What a verb has to say, once for terminals, once for notebooks, once for programs."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_GAP: Final = 2
# Figures keep their units beside them.
_RIGHT: Final = "text-align:right;white-space:nowrap"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: its heading.
        right: whether its values are aligned to the right.
        least: to how many characters its values may be cut to make room; 0: never.
        rank: columns of a higher rank are left out first where there is no room; 0 always stays.
    """

    title: str
    right: bool = False
    least: int = 0
    rank: int = 0


@dataclass(frozen=True)
class Table:
    """Rows under columns. Without headings it is a list of names and values."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    headed: bool = True


@dataclass(frozen=True)
class Heading:
    """A line that stands above what follows it."""

    text: str


@dataclass(frozen=True)
class Code:
    """Text that keeps its lines."""

    text: str


Part = str | Table | Heading | Code


@dataclass
class Report:
    """What a verb found or did.

    Attributes:
        data: the same for programs; goes through `json.dumps`.
        parts: paragraphs, tables and headings, for people.
        code: exit code of the shell command: 0 fine, 1 something is wrong or nothing matched.
    """

    data: Any
    parts: list[Part] = field(default_factory=list)
    code: int = 0

    def text(self, width: int | None = None, bold: bool = False) -> str:
        """For a terminal of `width` columns; `None`: nothing is cut, as for a file."""
        blocks = [_text(part, width, bold) for part in self.parts]
        return "\n".join(block for block in blocks if block is not None)

    def html(self) -> str:
        """For a notebook."""
        return "".join(map(_html, self.parts))


def fields(pairs: Sequence[tuple[str, str]]) -> Table:
    """Names and values, one pair a line."""
    return Table((Column("name"), Column("value", least=20)), pairs, headed=False)


# --- terminals ---


def _text(part: Part, width: int | None, bold: bool) -> str:
    match part:
        case Heading(text):
            return "\n" + _bold(text, bold)
        case Code(text):
            return textwrap.indent(printable(text, lines=True), "    ")
        case Table():
            return _table_text(part, width, bold)
    return part if width is None else _wrapped(part, width)


def _wrapped(text: str, width: int) -> str:
    lines = (
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "\n".join(lines)


def _filled(table: Table) -> Table:
    """Without the columns that may be left out and say nothing."""
    kept = [
        n
        for n, column in enumerate(table.columns)
        if not column.rank or any(row[n] for row in table.rows)
    ]
    rows = [[row[n] for n in kept] for row in table.rows]
    return Table([table.columns[n] for n in kept], rows, table.headed)


def _table_text(table: Table, width: int | None, bold: bool) -> str:
    table = _filled(table)
    titles = [tuple(column.title for column in table.columns)] if table.headed else []
    rows = [*titles, *(tuple(map(printable, row)) for row in table.rows)]
    if not rows:
        return ""
    natural = [max(len(row[n]) for row in rows) for n in range(len(table.columns))]
    widths = natural if width is None else _fitted(table.columns, natural, width)
    lines = []
    for row in rows:
        cells = [
            _cell(text, widths[n], table.columns[n].right)
            for n, text in enumerate(row)
            if widths[n]
        ]
        lines.append((" " * _GAP).join(cells).rstrip())
    if table.headed:
        lines[0] = _bold(lines[0], bold)
    return "\n".join(lines)


def _fitted(columns: Sequence[Column], natural: list[int], width: int) -> list[int]:
    """Widths that fit into `width`: columns are cut first, then left out (0)."""
    least = [
        min(wide, column.least) if column.least else wide
        for column, wide in zip(columns, natural, strict=True)
    ]
    shown = list(range(len(columns)))

    def room(widths: list[int]) -> int:
        return width - sum(widths[n] for n in shown) - _GAP * (len(shown) - 1)

    while room(least) < 0:
        ranked = [n for n in shown if columns[n].rank]
        if not ranked:
            break
        shown.remove(max(ranked, key=lambda n: (columns[n].rank, n)))
    widths = [wide if n in shown else 0 for n, wide in enumerate(natural)]
    while room(widths) < 0:
        cut = [n for n in shown if columns[n].least and widths[n] > least[n]]
        if not cut:
            break
        widths[max(cut, key=lambda n: widths[n])] -= 1
    return widths


def _cell(text: str, width: int, right: bool) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if right else text.ljust(width)


def _bold(text: str, bold: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if bold else text


def printable(text: str, lines: bool = False) -> str:
    """Without characters that a terminal would obey: names come from whoever wrote the entry."""
    kept = r"[^\S\n\t]" if lines else r"\s"
    text = re.sub(kept, " ", text)
    return "".join(c if c.isprintable() or (lines and c in "\n\t") else "\ufffd" for c in text)


# --- notebooks ---


def _html(part: Part) -> str:
    match part:
        case Heading(text):
            return f'<div style="margin-top:.8em"><b>{html.escape(text)}</b></div>'
        case Code(text):
            return f'<pre style="margin:.2em 0 .2em 1.5em">{html.escape(text)}</pre>'
        case Table():
            return _table_html(part)
    return f'<div style="white-space:pre-wrap">{html.escape(part)}</div>'


def _table_html(table: Table) -> str:
    table = _filled(table)

    def row(cells: Sequence[str], tag: str) -> str:
        made = (
            f'<{tag} style="padding-right:1em;{_RIGHT if column.right else "text-align:left"}">'
            f"{html.escape(cell)}</{tag}>"
            for column, cell in zip(table.columns, cells, strict=True)
        )
        return f"<tr>{''.join(made)}</tr>"

    head = row([column.title for column in table.columns], "th") if table.headed else ""
    body = "".join(row(cells, "td") for cells in table.rows)
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
