"""What the site takes from the code and from other files of the repository: said once, shown twice.

A line `{{ file PATH }}` in a page stands for a file, `{{ verbs }}`, `{{ settings }}` and
`{{ options }}` for tables made from the code. The measurements in `docs/measurements/` come into
the navigation by being there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from cacheness.cli import command_help
from cacheness.magic.commands import Commands
from cacheness.magic.extension import Extension
from cacheness.magic.options import option_help
from cacheness.settings import SETTINGS

_REPOSITORY = Path(__file__).resolve().parents[1]
_DOCS = _REPOSITORY / "docs"
# Files of the repository that have a page of their own here.
_PAGES = {
    "ARCHITECTURE.md": "background/architecture.md",
    "CHANGELOG.md": "background/changes.md",
    "core/FORMAT.md": "reference/format.md",
}


def on_config(config: Any) -> Any:
    """Adds the measurements to the navigation."""
    found = sorted(path.relative_to(_DOCS).as_posix() for path in _DOCS.glob("measurements/*.md"))
    if found:
        config.nav.append({"Measurements": found})
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with its `{{ … }}` lines filled in."""

    def fill(match: re.Match[str]) -> str:
        word, _, argument = match[1].partition(" ")
        if word == "file":
            return _file(argument, page.file.src_uri)
        return {"verbs": _verbs, "settings": _settings, "options": _options}[word]()

    return re.sub(r"^\{\{ (.+) \}\}$", fill, markdown, flags=re.MULTILINE)


def _file(path: str, page: str) -> str:
    """A file of the repository; links to files that have a page lead there."""

    def link(match: re.Match[str]) -> str:
        target = os.path.normpath(os.path.join(os.path.dirname(path), match[1]))
        if target not in _PAGES:
            return match[0]
        return f"]({os.path.relpath(_PAGES[target], os.path.dirname(page))}{match[2] or ''})"

    text = (_REPOSITORY / path).read_text(encoding="utf-8")
    return re.sub(r"\]\(([^)#:]+)(#[^)]*)?\)", link, text)


def _verbs() -> str:
    """The help of each verb: those of the shell command first, then those of a kernel alone."""
    os.environ["COLUMNS"] = "80"
    texts = command_help()
    texts |= {
        f"%cacheness {verb}": text
        for verb, text in Commands(Extension(None)).help_texts().items()
        if verb not in texts
    }
    return "\n".join(
        f"### {verb}\n\n```text\n{text.strip()}\n```\n" for verb, text in texts.items()
    )


def _settings() -> str:
    rows = (
        f"| `{name}` | `{setting.default}` | `CACHENESS_{name.upper()}` | {setting.help} |"
        for name, setting in SETTINGS.items()
    )
    return "\n".join(["| setting | default | variable | what it is |", "|---|---|---|---|", *rows])


def _options() -> str:
    rows = []
    for line in option_help().splitlines():
        name, _, text = line.strip().partition(" ")
        rows.append(f"| `{name}` | {text.strip()} |")
    return "\n".join(["| option | meaning |", "|---|---|", *rows])
