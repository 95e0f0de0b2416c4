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
    """A source distribution, and the notebooks of it that run offline within some minutes."""

    requirement: str
    folder: str
    notebooks: tuple[str, ...]
    """Without `.ipynb`. The first ones are quick enough for every run of the tests."""
    quick: int


PROJECTS = (
    Project(
        "corner==2.3.0",
        "docs/pages",
        ("quickstart", "sigmas", "custom"),
        quick=2,
    ),
    Project(
        "emcee==3.1.6",
        "docs/tutorials",
        ("quickstart", "line", "moves", "autocorr"),
        quick=1,
    ),
    Project(
        "control==0.10.2",
        "examples",
        (
            "cds110-L2_invpend-dynamics",
            "cds110-L3_lti-systems",
            "cds110-L1_servomech-python",
            "cds110-L4b_lqr-tracking",
            "cds110-L7_bode-nyquist",
            "cds110-L9_servomech-pid",
            "cds112-L2b_gainsched",
            "bode-and-nyquist-plots",
        ),
        quick=2,
    ),
    Project(
        "arch==8.0.0",
        "examples",
        (
            "univariate_using_fixed_variance",
            "univariate_volatility_modeling",
            "unitroot_examples",
            "univariate_volatility_scenarios",
            "bootstrap_examples",
        ),
        quick=0,
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
