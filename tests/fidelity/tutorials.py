"""Tutorials that other projects wrote, taken from their source distributions on PyPI."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import nbformat


@dataclass(frozen=True)
class Project:
    """A source distribution, and the notebooks of it that run offline within some minutes.

    Attributes:
        requirement: its name and version on PyPI.
        folder: where its notebooks are.
        notebooks: their names, without `.ipynb`; the first one is quick enough for every run of the
            tests.
    """

    requirement: str
    folder: str
    notebooks: tuple[str, ...]


# Not taken: notebooks whose library numbers what it makes (`sys[1]`, `sys[2]`). That count is the
# library's own; a restored cell does not go on with it.
PROJECTS = (
    Project("corner==2.3.0", "docs/pages", ("sigmas", "quickstart", "custom")),
    Project("emcee==3.1.6", "docs/tutorials", ("moves", "quickstart", "line")),
    Project(
        "control==0.10.2",
        "examples",
        ("cds112-L2b_gainsched", "cds110-L2_invpend-dynamics", "cds110-L1_servomech-python"),
    ),
    Project(
        "arch==8.0.0",
        "examples",
        ("univariate_using_fixed_variance", "unitroot_examples", "univariate_volatility_modeling"),
    ),
)


def fetch(project: Project, into: Path) -> Path:
    """Downloads and unpacks the source distribution; returns the folder with its notebooks."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
            *("--disable-pip-version-check", "--no-binary", ":all:", "--dest", str(into)),
            project.requirement,
        ],
        check=True,
    )
    (archive,) = into.glob(project.requirement.split("==")[0] + "*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")
    return into / archive.name.removesuffix(".tar.gz") / project.folder


def cells(notebook: Path) -> list[str]:
    """The sources of the code cells of a notebook."""
    read = nbformat.read(notebook, as_version=4)
    return [c.source for c in read.cells if c.cell_type == "code" and c.source.strip()]
