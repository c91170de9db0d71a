"""Medians and largest errors along λ of what the figure approach_to_limit shows: TRAININGS LIMITS FILE.csv."""

import sys

from sweepjax.figures.approach_to_limit import ends
from sweepjax.store import scan

trainings, limits, out = sys.argv[1:]
table = ends(scan([trainings]), scan([limits]))
separable = table["separable"]
margin = (table["margin"] * table["sigma"]).where(separable)
table = table.assign(
    rate_error=(table["rate"] / table["loss_inf"] - 1).abs(),
    accuracy_error=(table["towards"] - table["accuracy_inf"]).abs().where(separable),
    ratio_times_margin=-table["b"] / table["s_norm"] * margin,
    slope_times_margin=table["slope"] * margin,
)
kept = ["rate_error", "accuracy", "accuracy_inf", "accuracy_error", "ratio_times_margin", "slope_times_margin"]
groups = table.groupby(["separable", "lam"])
rows, medians, largest = groups.size(), groups[kept].median(), groups[["rate_error", "accuracy_error"]].max()
medians.insert(0, "rows", rows)
medians.join(largest.add_suffix("_max")).reset_index().to_csv(out, index=False)
