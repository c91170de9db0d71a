"""What is measured once a draw, held against its exact value for many samples."""

from dataclasses import dataclass
from functools import partial
from math import isfinite, nan

import numpy as np
import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.columns import FIRST, INDEX, configured, limits, measured, plug_ins
from sweepjax.reducers._intervals import NORMAL_95
from sweepjax.reducers._states import Quantiles
from sweepjax.reducers._stream import Piece, State, absences, checked, fold, points, split

NAMES = ("model", "solver")
NUMBERS = ("median", "median_low", "median_high", "se", "theory", "z", "rows", "left_out")
SKETCH = 4096


@dataclass(frozen=True)
class AgainstTheory:
    """Medians of what has an exact limit for n → ∞, that limit, and z scores: one line a group and quantity.

    The model says which columns tend to what. Medians are over all draws, so that nothing is selected: a draw that
    lacks the column counts as the solver says, such as a separable one, whose ‖S_∞‖ is infinite. Only values that are
    nan, or NULL where the solver says nothing, are `left_out`. `se` is the 95 % interval over 2 · 1.96, nan below six
    draws. A large z need not be a fault: n is finite, and the smaller the se, the more that shows.
    """

    by: str = ""  # separated by commas; the fields of the model that vary, and lam, n, d and sigma, are added

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, quantity, median with median_low and median_high (95 %), se, theory, z, rows, left_out."""
        keys = list(dict.fromkeys([*_fields(rows), *checked(rows, split(self.by))]))
        known = _limits(rows, keys)
        names = [name for name in measured(rows) if any(name in each for each in known.values())]
        if any(known.values()) and not names:
            raise ValueError("the model of these rows says of no column of theirs what it tends to")
        if not names:
            return pd.DataFrame(columns=pd.Index([*keys, "quantity", *NUMBERS]))
        groups, states = fold(rows, ",".join(keys), names, partial(_summarize, absences(rows)))
        lines = (
            key | {"quantity": name} | _line(state, name, expected[name])
            for key, state in zip(groups.filter(items=keys).to_dict("records"), states, strict=True)
            for expected in [known[tuple(key.values())]]
            for name in expected
            if name in names
        )
        return pd.DataFrame(lines, columns=pd.Index([*keys, "quantity", *NUMBERS]))


def _fields(rows: Dataset) -> list[str]:
    """List the labels of a point: the first ones, and those of the others that vary."""
    labels, every = configured(rows), points(rows)
    varied = {name for name in every if len(set(every[name])) > 1}
    return [name for name in labels if name not in (*NAMES, *INDEX) and (name in FIRST or name in varied)]


def _limits(rows: Dataset, keys: list[str]) -> dict[tuple, dict[str, float]]:
    """Return what columns tend to at each value of the keys."""
    unknown = [name for name, model in plug_ins(rows, "model").items() if not hasattr(model, "limits")]
    if unknown:
        raise ValueError(f"no exact limits are known of the model {unknown[0]}, which these rows are of")
    first = points(rows).drop_duplicates(keys).to_dict("records")
    return {tuple(point[name] for name in keys): limits(point) for point in first}


def _summarize(absent: dict[str, float], piece: Piece) -> State:
    full = {name: values.filled(absent.get(name, nan)) for name, values in piece.items()}
    quantiles = {name: Quantiles.of(values, SKETCH) for name, values in full.items()}
    left_out = {f"left_out {name}": int(np.isnan(values).sum()) for name, values in full.items()}
    return quantiles | left_out | {"rows": len(next(iter(full.values())))}


def _line(state: State, name: str, theory: float) -> dict[str, float]:
    order = state[name]
    median, (low, high) = order.quantile(0.5), order.median_interval()
    se = (high - low) / (2 * NORMAL_95)
    z = (median - theory) / se if isfinite(se) and se > 0 else nan
    values = (median, low, high, se, theory, z, state["rows"], state[f"left_out {name}"])
    return dict(zip(NUMBERS, values, strict=True))
