"""Data to measure with."""

from __future__ import annotations

import numpy as np
import pandas as pd


def flights(random: np.random.Generator, count: int) -> pd.DataFrame:
    """Text of few and of many values, times, whole numbers, numbers with gaps, flags."""
    delay = random.normal(10, 40, count)
    delay[random.random(count) < 0.03] = np.nan
    carriers = np.array(["AA", "B6", "DL", "EV", "MQ", "UA", "US", "WN"], dtype=object)
    tails = np.array([f"N{number:05}" for number in range(4_000)], dtype=object)
    minutes = np.sort(random.integers(0, 525_600, count))
    return pd.DataFrame(
        {
            "departure": pd.Timestamp("2013-01-01") + pd.to_timedelta(minutes, unit="min"),
            "carrier": pd.Series(random.choice(carriers, count), dtype="str"),
            "tail": pd.Series(random.choice(tails, count), dtype="str"),
            "flight": random.integers(1, 8_000, count),
            "distance": random.integers(80, 5_000, count).astype("int32"),
            "delay": delay,
            "air_time": random.normal(150, 90, count),
            "cancelled": random.random(count) < 0.02,
        }
    )
