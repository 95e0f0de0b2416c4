"""The option line."""

import math

import pytest

from cacheness.magic.options import OptionError, Options, parse_options


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", Options()),
        ("key=features ttl=24h", Options(key="features", ttl=86400.0)),
        ("--key features --ttl 15m", Options(key="features", ttl=900.0)),
        ("ttl=never", Options(ttl=math.inf)),
        ('key="two words"', Options(key="two words")),
        ('inputs=data/,"other file.csv"', Options(inputs=("data/", "other file.csv"))),
        ("vars=df,model exclude=tmp", Options(variables=("df", "model"), exclude=("tmp",))),
        ("refresh pure=yes quiet=1", Options(refresh=True, pure=True, quiet=True)),
        ("max-age=90s version=3", Options(max_age=90.0, version="3")),
        ('key="{name}-{1 + 1}"', Options(key="x-2")),
    ],
)
def test_what_a_line_means(line: str, expected: Options) -> None:
    def evaluate(expression: str) -> object:
        return eval(expression, {"name": "x"})

    assert parse_options(line, evaluate) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("keey=1", "did you mean key="),
        ("tll=1h", "did you mean ttl="),
        ("zzzzzz=1", "there are key, ttl"),
        ("features", "no option 'features'"),
        ("ttl=banana", "ttl=banana: it is not a duration"),
        ("ttl=-1h", "not a duration"),
        ("max_age=", "not a duration"),
        ("key=", "must not be empty"),
        ("key", "needs a value"),
        ("--ttl", "needs a value"),
        ("refresh=maybe", "is on or off"),
        ("vars=1x", "not the name of a variable"),
        ("inputs=,", "at least one"),
        ("key=a key=b", "given twice"),
        ('key="open', "cannot read"),
        ("key={missing}", "NameError"),
    ],
)
def test_a_bad_line_says_what_is_wrong(line: str, message: str) -> None:
    def evaluate(expression: str) -> object:
        return eval(expression, {})

    with pytest.raises(OptionError, match="%%cacheness") as raised:
        parse_options(line, evaluate)
    assert message in str(raised.value)


def test_what_counts_as_insisting() -> None:
    assert not parse_options("inputs=a quiet").insists
    for line in ("key=a", "ttl=1h", "pure"):
        assert parse_options(line).insists
