"""When curves cross a threshold, between the recorded times."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax.reducers._stream import Piece

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]
STOPPED = "stopped"  # the column that says which rows --stop ended


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


def carried(piece: Piece, names: list[str]) -> tuple[dict[str, Array], Truth]:
    """Return curves [r t] that keep their last recorded value to the end, and which rows lack one of them.

    A training that was stopped is NULL in every curve from some time on. A row that is NULL elsewhere, or has nothing
    recorded, lacks a curve.
    """
    missing = {name: np.ma.getmaskarray(piece[name]) for name in names}
    recorded = ~np.all(list(missing.values()), axis=0)
    count, places = recorded.sum(axis=1), np.arange(recorded.shape[1])
    lacking = np.any([(each & recorded).any(axis=1) for each in missing.values()], axis=0)
    null = lacking | (count == 0) | (recorded != (places < count[:, None])).any(axis=1)
    last = np.minimum(places, np.maximum(count - 1, 0)[:, None])
    return {name: np.take_along_axis(piece[name].filled(np.nan), last, axis=1) for name in names}, null


def flags(rows: Dataset) -> list[str]:
    """List the column that says which rows --stop ended, if there is one."""
    return [name for name in (STOPPED,) if name in rows.schema.names]


def stopped(piece: Piece) -> dict[str, Truth]:
    """Return which rows --stop ended, by the name of the column; nothing where it was not used."""
    return {STOPPED: (piece[STOPPED] == 1).filled(False)} if STOPPED in piece else {}


def check_threshold(threshold: float, name: str = "threshold") -> None:
    """Refuse a threshold that no accuracy crosses; `name` is that of the option."""
    if not 0 < threshold < 1:
        raise ValueError(f"{name} = {threshold:g} is not allowed; give a number above 0 and below 1")


def _place(beyond: Truth, *, last: bool) -> NDArray[np.int64]:
    """Return from which recorded time on a row is beyond the threshold; their count, if it never is."""
    count = beyond.shape[1]
    if last:
        return np.where(beyond.all(axis=1), 0, count - np.argmin(beyond[:, ::-1], axis=1))
    return np.where(beyond.any(axis=1), np.argmax(beyond, axis=1), count)
