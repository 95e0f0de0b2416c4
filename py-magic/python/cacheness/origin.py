"""Where code comes from: an installed package with a version, or the person's own."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
import sysconfig
from typing import Any


def type_home(kind: type) -> str:
    """The top-level package of a type; empty where C code gave it none."""
    module = kind.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""


def lookup(module: str, qualname: str) -> object:
    found: object = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found


@functools.cache
def _prefixes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Folders of installed packages, and of the standard library."""
    paths = sysconfig.get_paths()
    installed = {os.path.realpath(paths[name]) + os.sep for name in ("purelib", "platlib")}
    installed |= {
        os.path.realpath(path) + os.sep
        for path in sys.path
        if path.endswith(("site-packages", "dist-packages"))
    }
    standard = {os.path.realpath(paths[name]) + os.sep for name in ("stdlib", "platstdlib")}
    return tuple(sorted(installed)), tuple(sorted(standard))


@functools.cache
def installed_folders() -> tuple[str, ...]:
    """Folders of the standard library and of installed packages, as named and as resolved."""
    paths = sysconfig.get_paths()
    named = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    installed, standard = _prefixes()
    return tuple(sorted({os.path.join(path, "") for path in (*named, *installed, *standard)}))


def code_origin(module: str | None) -> str | None:
    """The version of the installed package that `module` belongs to; `None` for code of the
    person's own.
    """
    if module is None or module == "__main__":
        return None
    loaded = sys.modules.get(module)
    if loaded is None:
        return None
    file = getattr(loaded, "__file__", None)
    if file is None:
        spec = getattr(loaded, "__spec__", None)
        origin = getattr(spec, "origin", None)
        builtin = module in sys.builtin_module_names or origin in ("built-in", "frozen")
        return module_version(module) if builtin else None
    return module_version(module) if is_installed_file(file) else None


@functools.lru_cache(maxsize=4096)
def is_installed_file(file: str) -> bool:
    """Whether a module's file belongs to the standard library or to an installed package."""
    installed, standard = _prefixes()
    return os.path.realpath(file).startswith((*installed, *standard))


@functools.lru_cache(maxsize=4096)
def is_standard_file(file: str) -> bool:
    """Whether a file belongs to the standard library, its machinery of imports left out."""
    installed, standard = _prefixes()
    path = os.path.realpath(file)
    return path.startswith(standard) and not path.startswith(installed)


def module_version(module: str) -> str:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    version = package_version(top)
    return version or str(getattr(sys.modules.get(top), "__version__", "unknown"))


# Where the names differ. Others are found as well, by reading the metadata of everything that is
# installed.
_DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}


@functools.lru_cache(maxsize=4096)
def package_version(top: str) -> str | None:
    """The version of the distribution that provides the top-level package, if one does."""
    try:
        return importlib.metadata.version(_DISTRIBUTIONS.get(top, top))
    except (importlib.metadata.PackageNotFoundError, ValueError):
        pass
    for distribution in _distributions().get(top, ()):
        return importlib.metadata.version(distribution)
    return None


@functools.cache
def _distributions() -> Any:
    return importlib.metadata.packages_distributions()
