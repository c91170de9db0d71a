"""Tables and numbers as people read them: a value with its error in one cell, and no digit that means nothing."""

import re
from math import floor, isfinite, isnan, log10
from numbers import Integral
from typing import Any, NamedTuple

import pandas as pd

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
BOUNDS = ("_low", "_high")
FAULTS = ("null", "nan")  # counts that are shown where any of them is not 0
MOST_DECIMALS, LARGEST = 6, 1e6  # beyond, a power of ten is shorter
NUMBER = re.compile(r"[−+]?[\d∞–].*|\[.*\]")


class Column(NamedTuple):
    """A column of texts under its name."""

    name: str
    texts: list[str]

    @property
    def numeric(self) -> bool:
        """Whether every text is a number, or an interval."""
        return all(NUMBER.fullmatch(each) for each in self.texts)


def columns(table: pd.DataFrame) -> list[Column]:
    """Return names and texts of the columns; errors and intervals stand beside their values."""
    shown = [str(name) for name in table if name not in FAULTS or table[name].to_numpy().any()]
    return [_column(table, name) for name in shown if name not in _beside(table)]


def text(value: Any) -> str:
    """Return a number with five digits, an integer with all of its own; a text stays as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, Integral):
        return f"{int(value):,}" if abs(int(value)) >= 10_000 else str(int(value))
    return _rounded(value, None)


def with_error(value: float, error: float) -> str:
    """Return a value ± its error, which has two digits."""
    return f"{_rounded(value, error)} ± {_rounded(error, error)}" if isfinite(error) else _rounded(value, None)


def within(value: float, low: float, high: float) -> str:
    """Return a value and its interval, with the digits that the width allows."""
    middle, low_end, high_end = (_rounded(each, (high - low) / 2) for each in (value, low, high))
    return f"{middle} [{low_end}, {high_end}]"


def _column(table: pd.DataFrame, name: str) -> Column:
    if name in (intervals := _intervals(table)):
        low, high = (table[bound] for bound in intervals[name])
        return Column(name, [within(*each) for each in zip(table[name], low, high, strict=True)])
    if name == "mean":
        return Column(name, [with_error(*each) for each in zip(table["mean"], table["se"], strict=True)])
    if name == "z":
        return Column(name, [_signed(value) for value in table["z"]])
    return Column(name, [text(value) for value in table[name]])


def _intervals(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the names of the bounds of each column that has some: x_low and x_high are of x_fraction, or of x."""
    found = {}
    for name in map(str, table):
        bounds = [name.removesuffix("_fraction") + side for side in BOUNDS]
        if set(bounds) <= set(table) and f"{name}_fraction" not in table:
            found[name] = bounds
    return found


def _beside(table: pd.DataFrame) -> set[str]:
    """Return the columns that are shown within others."""
    bounds = {bound for pair in _intervals(table).values() for bound in pair}
    return bounds | ({"se"} if "mean" in table else set())


def _signed(value: float) -> str:
    rounded = f"{value:+.1f}".replace("-", "−")
    return rounded if isfinite(value) and rounded[1:] != "0.0" else _rounded(round(value, 1) + 0.0, None)


def _rounded(value: float, error: float | None) -> str:
    """Return a number with two digits of its error; with three of its own if the error is large, five without one."""
    if not isfinite(value):
        return "–" if isnan(value) else "∞" if value > 0 else "−∞"
    plain = f"{value:.3g}" if error else f"{value:.5g}"
    if error and isfinite(error) and abs(value) < LARGEST:
        decimals = 1 - floor(log10(error))
        plain = f"{value:.{decimals}f}" if 0 <= decimals <= MOST_DECIMALS else plain
    digits, _, exponent = plain.partition("e")
    power = f"·10{str(int(exponent)).translate(SUPERSCRIPTS)}" if exponent else ""
    return digits.replace("-", "−") + power
