"""A real JupyterLab in headless Chromium, used as a person would, and photographed.

`python tests/lab/tour.py FOLDER` (`make screenshots`) takes the pictures of the documentation.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode
from playwright.sync_api import Locator, Page, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "notebooks"))

from demo import NOTEBOOK, QUICK, WIDER_WINDOW  # noqa: E402
from execution import environment, read, with_parameters  # noqa: E402

CHROMIUM = shutil.which("chromium")
_LONG = 1_800_000  # milliseconds: the notebook may take its time, the machine may be busy
_OFFLINE = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
_NO_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}


@dataclass(frozen=True)
class Tour:
    """The lines that cacheness showed below the cells, in order, at each stop of the tour."""

    cold: list[str]
    restored: list[str]
    edited: str
    affected: str
    listing: str


def tour(notebook: NotebookNode, pictures: Path) -> Tour:
    """Runs `notebook` cold, restarts and runs it again, edits a cell, and lists the entries.

    `pictures` gets `miss.png`, `hit.png`, `explanation.png` and `ls.png`.
    """
    with TemporaryDirectory() as state, _server(notebook, Path(state)) as address, _page() as page:
        page.goto(f"{address}/doc/tree/flights.ipynb")
        page.wait_for_selector('#jp-main-statusbar :text("| Idle")')

        shown = _cell(page, "key=full-model")
        _command(page, "notebook:run-all-cells")
        cold = _reports(page)
        _photograph(shown, pictures / "miss.png")

        _command(page, "notebook:restart-run-all", confirm=True)
        restored = _reports(page)
        _photograph(shown, pictures / "hit.png")

        edited = _cell(page, f"key={WIDER_WINDOW.cell}")
        _type_over(edited.locator(".cm-line", has_text=WIDER_WINDOW.old).first, "30", "45")
        _run_cell(page)
        shown.locator(".cm-content").click()
        _run_cell(page)
        _photograph(shown, pictures / "explanation.png")

        _command(page, "notebook:move-cursor-down")
        _command(page, "notebook:insert-cell-below")
        page.keyboard.press("Enter")
        page.keyboard.type("%cacheness ls")
        _run_cell(page)
        listing = _cell(page, "%cacheness ls")
        _photograph(listing, pictures / "ls.png")
        return Tour(
            cold,
            restored,
            _reports(edited)[-1],
            _reports(shown)[-1],
            listing.locator(".jp-OutputArea").inner_text(),
        )


@contextlib.contextmanager
def _server(notebook: NotebookNode, state: Path) -> Iterator[str]:
    """JupyterLab on a free port of this machine, with settings and kernels of its own."""
    work = state / "work"
    settings = state / "config" / "labconfig"
    work.mkdir()
    settings.mkdir(parents=True)
    (settings / "page_config.json").write_text(json.dumps(_NO_NEWS))
    nbformat.write(notebook, work / "flights.ipynb")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *(f"--port={port}", "--ip=127.0.0.1", "--ServerApp.port_retries=0"),
            *("--IdentityProvider.token=", f"--ServerApp.root_dir={work}"),
            "--LabApp.expose_app_in_browser=True",
        ],
        env={
            **environment(state),
            "JUPYTER_CONFIG_DIR": str(state / "config"),
            "JUPYTER_DATA_DIR": str(state / "data"),
            "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with contextlib.suppress(urllib.error.URLError):
            urllib.request.urlopen(f"{address}/api/status").close()
            return
        if process.poll() is not None:
            raise RuntimeError(f"JupyterLab ended with status {process.returncode}")
        time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not answer at {address}")


@contextlib.contextmanager
def _page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *_OFFLINE]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 1400}, device_scale_factor=2)
        page.set_default_timeout(_LONG)
        yield page
        browser.close()


def _command(page: Page, name: str, *, confirm: bool = False) -> None:
    """Executes a command of JupyterLab as its menus do, and waits until it is done."""
    page.evaluate(
        "name => { window.done = false;"
        " window.jupyterapp.commands.execute(name).then(() => { window.done = true; }); }",
        name,
    )
    if confirm:
        page.locator(".jp-Dialog .jp-mod-accept").click()
    page.wait_for_function("window.done")


def _run_cell(page: Page) -> None:
    """Runs the cell that has the cursor, and waits for it."""
    page.keyboard.press("Control+Enter")
    page.wait_for_selector('.jp-InputPrompt:text("[*]:")', state="detached")


def _type_over(line: Locator, old: str, new: str) -> None:
    """Replaces a word of a line of code by double click and keyboard."""
    line.get_by_text(old, exact=True).dblclick()
    line.page.keyboard.type(new)


def _cell(page: Page, text: str) -> Locator:
    return page.locator(".jp-CodeCell", has=page.locator(".cm-content", has_text=text)).first


def _reports(within: Page | Locator) -> list[str]:
    reports: list[str] = within.locator(".cacheness-report").all_text_contents()
    return reports


def _photograph(cell: Locator, picture: Path) -> None:
    cell.scroll_into_view_if_needed()
    cell.screenshot(path=picture)


if __name__ == "__main__":
    tour(with_parameters(read(NOTEBOOK), **QUICK), Path(sys.argv[1]))
