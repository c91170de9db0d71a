"""When curves cross a threshold, between the recorded times."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweepjax.reducers._stream import Piece

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]


class Crossings(NamedTuple):
    """When each row crossed, or, censored, its last recorded time.

    `half_width` is half the width in log10 t of the recorded interval that holds the crossing: 0 if the
    row began beyond the threshold, infinite if the interval begins at t = 0, nan if the row is censored.
    """

    time: Array
    censored: Truth
    half_width: Array


def crossings(times: Array, heights: list[Array], *, last: bool) -> Crossings:
    """Return the first crossing, or the last, of curves [r t] at `times` [r t].

    A height is negative before the threshold and not beyond it; the first of `heights` decides. Inside an
    interval the last of them that is finite at both ends is linear in log t (in t, if it begins at t = 0).
    """
    place, (rows, count) = _place(heights[0] >= 0, last=last), times.shape
    ends = np.maximum(place - 1, 0), np.minimum(place, count - 1)
    low, high = (times[np.arange(rows), end] for end in ends)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.zeros(rows)
        for height in heights:
            before, after = (height[np.arange(rows), end] for end in ends)
            usable = np.isfinite(before) & np.isfinite(after) & (before != after)
            part = np.where(usable, np.clip(before / (before - after), 0, 1), part)
        inside = np.where(low > 0, low * (high / low) ** part, high * part)
        half_width = np.log10(high / low) / 2
    censored, at_start = place == count, place == 0
    time = np.where(censored | at_start, high, inside)
    return Crossings(time, censored, np.where(censored, np.nan, np.where(at_start, 0.0, half_width)))


def unusable(piece: Piece, names: list[str]) -> tuple[Truth, Truth]:
    """Return which rows lack one of the curves, and which of the others have a number that is not finite."""
    null = np.any([np.ma.getmaskarray(piece[name]).any(axis=1) for name in names], axis=0)
    finite = np.all([np.isfinite(piece[name].filled(np.nan)).all(axis=1) for name in names], axis=0)
    return null, ~finite & ~null


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that no accuracy crosses."""
    if not 0 < threshold < 1:
        raise ValueError(f"threshold = {threshold:g} is not allowed; give a number above 0 and below 1")


def _place(beyond: Truth, *, last: bool) -> NDArray[np.int64]:
    """Return from which recorded time on a row is beyond the threshold; their count, if it never is."""
    count = beyond.shape[1]
    if last:
        return np.where(beyond.all(axis=1), 0, count - np.argmin(beyond[:, ::-1], axis=1))
    return np.where(beyond.any(axis=1), np.argmax(beyond, axis=1), count)
