"""The fraction of trainings that generalise within the record."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.reducers._crossings import STOPPED, carried, check_threshold, flags, stopped
from sweepjax.reducers._intervals import wilson
from sweepjax.reducers._stream import Piece, State, fold

CURVES = ["train_accuracy", "test_accuracy"]
PERFECT = 1 - 1e-9  # a mean over all samples may miss 1 by a rounding


@dataclass(frozen=True)
class GeneralisingFraction:
    """How many rows reach a test accuracy, and how many end there: one line a group.

    `reached` rows have it at some recorded time, `generalising` ones at the last; `memorising` rows end
    with train accuracy 1 and a test accuracy below. Each is a fraction of the `kept` rows, with its Wilson interval
    at 95 %; `left_out` are those that are NULL or nan (not finite somewhere: the training diverged). The record is
    finite: a row that memorises may generalise later. One that was `stopped` ends where it was.

    Source:
        Wilson (1927), J. Am. Stat. Assoc. 22, 209.
    """

    threshold: float = 0.95  # above 0 and below 1
    by: str = ""  # separated by commas; empty: every configured field that varies

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, rows, kept, null, nan, left_out, and the count and fraction of each kind with its bounds."""
        check_threshold(self.threshold)
        groups, states = fold(rows, self.by, flags(rows), self._count, [*CURVES, "time"])
        return pd.concat([groups, pd.DataFrame(_line(state) for state in states)], axis="columns")

    def _count(self, piece: Piece) -> State:
        curves, null = carried(piece, [*CURVES, "time"])
        nan = ~np.all([np.isfinite(curves[name]).all(axis=1) for name in CURVES], axis=0) & ~null
        train, test = (curves[name][~(null | nan)] for name in CURVES)
        beyond = test >= self.threshold
        return {
            "rows": null.size,
            "kept": len(test),
            "null": int(null.sum()),
            "nan": int(nan.sum()),
            "left_out": int((null | nan).sum()),
            **{name: int(each.sum()) for name, each in stopped(piece).items()},
            "reached": int(beyond.any(axis=1).sum()),
            "generalising": int(beyond[:, -1].sum()),
            "memorising": int((~beyond[:, -1] & (train[:, -1] >= PERFECT)).sum()),
        }


def _line(state: State) -> State:
    line = {name: state[name] for name in ("rows", "kept", "null", "nan", "left_out", STOPPED) if name in state}
    kept = np.array(state["kept"], dtype=np.float64)
    for name in ("reached", "generalising", "memorising"):
        count = np.array(state[name], dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = wilson(count, kept)
            line |= {name: state[name], f"{name}_fraction": float(count / kept)}
        line |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return line
