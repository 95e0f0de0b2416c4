"""Writes the cache folder of the present format: `PYTHONPATH=tests python tests/golden/make.py`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from cacheness import cacheness

HERE = Path(__file__).parent


def values() -> dict[str, Any]:
    """What is in a golden folder, by the parameter `name`."""
    return {
        "object": {"results": [1, 2.5, "three", None], "nested": {"a": (1, 2)}},
        "array": np.arange(20_000, dtype="<f8").reshape(100, 200),
        "small array": np.array([1, 2, 3], "<i4"),
        "text": "a text of more than the inline limit. " * 2_000,
        "pandas": pd.DataFrame(
            {
                "i": np.arange(5_000),
                "f": np.linspace(0, 1, 5_000),
                "s": [f"row {number % 7}" for number in range(5_000)],
            }
        ),
        "polars": pl.DataFrame({"i": range(100), "s": [str(number) for number in range(100)]}),
    }


def main() -> None:
    with cacheness(str(HERE / "1"), default_ttl_hours=None) as cache:
        for name, value in values().items():
            cache.put(value, name=name, ttl_hours=None)


if __name__ == "__main__":
    main()
