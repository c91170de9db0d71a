"""What the limit measures, held against exact theory for many samples."""

from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import NamedTuple

import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.reducers._intervals import NORMAL_95
from sweepjax.reducers._states import Quantiles
from sweepjax.reducers._stream import Piece, State, checked, fold, split
from sweepjax.theory.quantities import evaluate

MODEL = "logistic"
POINT = ("lam", "n", "d", "sigma")
NUMBERS = ("median", "median_low", "median_high", "se", "theory", "z", "rows")
SKETCH = 4096


class Quantity(NamedTuple):
    """A column, its name in the theory, what it tends to on draws of the other kind, and its side of λ = 1/2."""

    column: str
    theory: str
    otherwise: float
    above: bool


QUANTITIES = (
    Quantity("s_norm", "s_inf", otherwise=inf, above=False),
    Quantity("loss_inf", "loss_inf", otherwise=0.0, above=False),
    Quantity("margin", "margin", otherwise=0.0, above=True),
)


@dataclass(frozen=True)
class AgainstTheory:
    """Medians of the limit, their exact values for n → ∞, and z scores: one line a group and quantity.

    Medians are over all draws, so that nothing is selected: a separable draw has an infinite ‖S_∞‖ and no loss,
    an inseparable one no margin. `se` is the 95 % interval over 2 · 1.96, nan below six draws. A large z need
    not be a fault: n is finite, and the smaller the se, the more that shows.
    """

    by: str = ""  # separated by commas; lam, n, d and sigma are added

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, quantity, median with median_low and median_high (95 %), se, theory, z, rows."""
        keys = list(dict.fromkeys([*checked(rows, POINT), *split(self.by)]))
        groups, states = fold(
            rows, ",".join(dict.fromkeys([*keys, "model"])), [each.column for each in QUANTITIES], _summarize
        )
        _check(set(groups["model"]))
        lines = (
            key | {"quantity": each.column} | _line(state, each, lam=key["lam"], sigma=key["sigma"])
            for key, state in zip(groups.filter(items=keys).to_dict("records"), states, strict=True)
            for each in QUANTITIES
            if key["lam"] != 0.5 and each.above == (key["lam"] > 0.5)
        )
        return pd.DataFrame(lines, columns=pd.Index([*keys, "quantity", *NUMBERS]))


def _check(models: set[str]) -> None:
    if models != {MODEL}:
        raise ValueError(f"the exact theory is of the model {MODEL}, and these rows are of {', '.join(sorted(models))}")


def _summarize(piece: Piece) -> State:
    quantiles = {each.column: Quantiles.of(piece[each.column].filled(each.otherwise), SKETCH) for each in QUANTITIES}
    return quantiles | {"rows": len(piece[QUANTITIES[0].column])}


def _line(state: State, quantity: Quantity, *, lam: float, sigma: float) -> dict[str, float]:
    order, theory = state[quantity.column], float(evaluate(quantity.theory, lam, sigma=sigma))
    median, (low, high) = order.quantile(0.5), order.median_interval()
    se = (high - low) / (2 * NORMAL_95)
    z = (median - theory) / se if isfinite(se) and se > 0 else nan
    values = (median, low, high, se, theory, z, state["rows"])
    return dict(zip(NUMBERS, values, strict=True))
