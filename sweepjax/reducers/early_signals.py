"""What is known of each training at an early step, and when it came to be right: a table to learn predictors from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.columns import INDEX
from sweepjax.reducers._early import read_early
from sweepjax.reducers._stream import split
from sweepjax.reducers.predictor import varying

LEARN, JUDGE = "learn", "judge"


@dataclass(frozen=True)
class EarlySignals:
    """The early signals of every row, and the time they are to foretell: a line a row, for predictors of your own.

    `t` is `target`, empty where it never comes within the record. `usable` rows are recorded up to step `at`, not there
    by then, and not ended on the way by `--stop`. `part` is `learn`, or `judge` for one realization in `every`: fit on
    the one, and be judged on the other.
    """

    target: str = "t_test_99"  # the column whose time is to be foretold
    signals: str = ""  # separated by commas; empty: fields that vary, and all that is recorded
    at: float = 400.0  # curves are read at the last recorded step up to here
    every: int = 5  # of so many realizations one judges

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return fields, seed, realization, part, usable, t, and the signals."""
        if self.every < 2:
            raise ValueError(f"every = {self.every} is not allowed; give a whole number of at least 2")
        fields = [name for name in (*varying(rows), *INDEX) if name in rows.schema.names]
        early = read_early(rows, self.target, fields, split(self.signals), self.at)
        table = pd.DataFrame({name: early.fields[name] for name in fields})
        table = table.astype({name: int for name in INDEX if name in table})
        table["part"] = np.where(table["realization"] % self.every == self.every - 1, JUDGE, LEARN)
        table["usable"] = early.whole & (early.time > self.at)
        table["t"] = np.where(np.isfinite(early.time), early.time, np.nan)
        signals = pd.DataFrame({name: values for name, values in early.signals.items() if name not in table})
        return pd.concat([table, signals], axis="columns").sort_values(fields, ignore_index=True)
