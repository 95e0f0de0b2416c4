import math

import pytest

from cacheness.durations import UNSET, hours_to_seconds, parse_ttl, resolve
from cacheness.errors import CacheConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("24h", 86_400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        (" 1.5 H ", 5400),
        ("0s", 0),
        ("never", None),
        (None, None),
        ("9999999w", None),
    ],
)
def test_text(text, seconds):
    assert parse_ttl(text) == seconds


@pytest.mark.parametrize("bad", ["", "15", "m", "-5m", "1 fortnight", "nan h", "1e3s", "٣h", "5mm"])
def test_bad_text_is_named(bad):
    with pytest.raises(CacheConfigError, match="not a duration"):
        parse_ttl(bad)


@pytest.mark.parametrize(
    ("hours", "seconds"),
    [(2, 7200), (0.5, 1800), (None, None), (math.inf, None), (10**400, None), (0, 0)],
)
def test_hours(hours, seconds):
    assert hours_to_seconds(hours) == seconds


@pytest.mark.parametrize("bad", [True, "24", -1, math.nan, [1], -math.inf])
def test_bad_hours(bad):
    with pytest.raises(CacheConfigError):
        hours_to_seconds(bad)


def test_a_number_given_as_ttl_says_where_it_belongs():
    with pytest.raises(CacheConfigError, match="ttl_hours takes a number"):
        parse_ttl(24)


def test_the_two_spellings():
    assert resolve(UNSET, "1h", 5) == 3600
    assert resolve(2, UNSET, 5) == 7200
    assert resolve(None, UNSET, 5) is None
    assert resolve(UNSET, UNSET, 5) == 5
    assert resolve(1, "60m", 5) == 3600
    with pytest.raises(CacheConfigError, match="contradict"):
        resolve(2, "1h", 5)
