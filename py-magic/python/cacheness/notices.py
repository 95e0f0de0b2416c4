"""Warnings that point at the program's line, not at one of ours."""

import os
import sys
import warnings
from typing import Final

from cacheness.errors import CacheWarning

_HERE: Final = os.path.dirname(os.path.abspath(__file__)) + os.sep


def warn(message: str) -> None:
    """A `CacheWarning` at the nearest frame outside this package."""
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        if frame.f_back is None:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(message, CacheWarning, stacklevel=level)
