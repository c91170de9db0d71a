"""Medians and largest errors along λ of what the figure approach_to_limit shows: TRAININGS LIMITS FILE.csv."""

import sys

from sweepjax.figures.approach_to_limit import ends
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
inside, outside = table[~separable], table[separable]
rate, gap, error = inside["rate_error"], outside["accuracy_gap"], outside["accuracy_error"]
within = f"{rate.median():.1e} in the median, at most {rate.max():.2g}; {(rate < 1e-3).sum()} within 1e-3"
print(f"{len(inside)} inseparable: e^(-b)/t off L_∞ by {within}")
print(f"{len(outside)} separable: accuracy off its limit by {gap.median():.2g} in the median, at most {gap.max():.2g}")
print(f"where the last decades point: off by {error.median():.1e}, at most {error.max():.2g}")
groups = table.groupby(["separable", "lam"])
rows, medians, largest = groups.size(), groups[kept].median(), groups[["rate_error", "accuracy_error"]].max()
medians.insert(0, "rows", rows)
medians.join(largest.add_suffix("_max")).reset_index().to_csv(out, index=False, float_format="%.5g")
