from dataclasses import dataclass

import numpy as np
import pandas as pd

from sweepjax.reducers import Moments, fold


@dataclass(frozen=True)
class Mine:
    """Geometric mean of a positive column, with the standard error of its logarithm: one line a group."""

    column: str = "s_norm"  # on the command line: --column C, or --set column=C
    by: str = ""  # fields to group by, separated by commas; empty: all that vary

    def __call__(self, rows):
        # rows: a pyarrow.dataset.Dataset of any size. It is read a piece at a time, into statistics that add.
        groups, states = fold(rows, self.by, [self.column], self._count)
        lines = [
            {
                "rows": state["rows"],
                "left_out": state["rows"] - state["logs"].count,  # NULL, 0 and below: say how many
                "geometric_mean": np.exp(state["logs"].mean),
                "log_se": state["logs"].se,
            }
            for state in states
        ]
        return pd.concat([groups, pd.DataFrame(lines)], axis="columns")

    def _count(self, piece):
        values = piece[self.column]  # of some rows of one group; a masked array, whose mask is NULL
        present = values.compressed()
        return {"rows": values.size, "logs": Moments.of(np.log(present[present > 0]))}
