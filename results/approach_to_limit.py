"""Medians and largest errors along λ of what the figure approach_to_limit shows: TRAININGS LIMITS FILE.csv.

Medians stand with their 95 % intervals. Lines without a λ are of all datasets of their class. `within_1e-3` counts the
datasets whose e^(-b)/t is so near to L_∞.
"""

import sys

import pandas as pd

from sweepjax.figures.approach_to_limit import ends
from sweepjax.reducers import Quantiles
from sweepjax.store.rows import scan

trainings, limits, out = sys.argv[1:]
table = ends(scan([trainings]), scan([limits]))
separable = table["separable"]
margin = (table["margin"] * table["sigma"]).where(separable)
table = table.assign(
    rate_error=(table["rate"] / table["loss_inf"] - 1).abs(),
    accuracy_gap=(table["accuracy"] - table["accuracy_inf"]).abs().where(separable),
    accuracy_error=(table["towards"] - table["accuracy_inf"]).abs().where(separable),
    ratio_times_margin=-table["b"] / table["s_norm"] * margin,
    slope_times_margin=table["slope"] * margin,
)
kept = [
    "rate_error",
    "accuracy",
    "accuracy_inf",
    "accuracy_gap",
    "accuracy_error",
    "ratio_times_margin",
    "slope_times_margin",
]


def line(group: pd.DataFrame) -> dict[str, float]:
    """Return what is said of some datasets."""
    found: dict[str, float] = {"rows": len(group)}
    for name in kept:
        values = group[name].dropna().to_numpy(float)
        found |= Quantiles.of(values, 65_535).median(name)
    found |= {f"{name}_max": group[name].max() for name in ("rate_error", "accuracy_gap", "accuracy_error")}
    return found | {"within_1e-3": int((group["rate_error"] < 1e-3).sum())}


lines = [{"separable": each, "lam": None} | line(group) for each, group in table.groupby("separable")]
lines += [{"separable": each, "lam": lam} | line(group) for (each, lam), group in table.groupby(["separable", "lam"])]
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")
