"""What becomes of trainings over the fields of a sweep: the phase diagram of grokking.

Source:
    Liu, Kitouni, Nolte, Michaud, Tegmark, Williams (2022), "Towards Understanding Grokking", arXiv 2205.10343.
"""

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax.reducers._crossings import STOPPED
from sweepjax.reducers._intervals import wilson
from sweepjax.reducers.phases import Phases

PHASES = ("confusion", "memorisation", "grokking", "comprehension")


@dataclass(frozen=True)
class PhaseMap:
    """Shares of rows in four phases, a line a point: what fields such as learning rate, decay and fraction make of it.

    With t2 and t4, the times at which a row is right in training and on fresh samples: `confusion` has no t2 within the
    record, `memorisation` no t4, `grokking` a t4 of at least `delay` t2, and `comprehension` an earlier one, or 0. Each
    is a share of the `kept` rows with its Wilson interval at 95 %; `phase` is the most frequent. A longer record, or
    one that `--stop` did not end, may show a later phase. Rows that are nan or NULL are `left_out`.
    """

    high: float = 0.99  # the accuracy that is right
    delay: float = 10.0  # t4 over t2 from which a row groks
    clock: str = "step"  # or "time"
    by: str = ""  # separated by commas; empty: every configured field that varies

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, rows, kept, left_out, the share of each phase with its low and high, and the phase."""
        if not self.delay >= 1:
            raise ValueError(f"delay = {self.delay:g} is not allowed; give a number of at least 1")
        groups, every = Phases(high=self.high, low=nan, clock=self.clock, by=self.by).times(rows)
        pairs = zip(groups.to_dict("records"), every, strict=True)
        return pd.DataFrame([key | self._line(found) for key, found in pairs])

    def _line(self, found: dict[str, NDArray]) -> dict[str, object]:
        t2, t4 = found["t2"], found["t4"]
        lost = found["null"] | found["nan"]
        line: dict[str, object] = {"rows": lost.size, "kept": int((~lost).sum()), "left_out": int(lost.sum())}
        line |= {STOPPED: int(found[STOPPED].sum())} if STOPPED in found else {}
        with np.errstate(invalid="ignore"):
            late = (t4 >= self.delay * t2) & (t4 > 0)
        there, right = np.isfinite(t2), np.isfinite(t4)
        masks = (~there & ~right, there & ~right, right & late, right & ~late)
        kept = np.array(line["kept"], dtype=np.float64)
        counts = np.array([np.sum(mask & ~lost) for mask in masks], dtype=np.float64)
        for name, count in zip(PHASES, counts, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                low, high = wilson(count, kept)
                line |= {name: float(count / kept), f"{name}_low": float(low), f"{name}_high": float(high)}
        return line | {"phase": PHASES[int(np.argmax(counts))] if kept else ""}
