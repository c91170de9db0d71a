"""Along λ, how well the limit of a dataset predicts when it generalizes: TRAININGS LIMITS FILE.csv.

Of inseparable datasets: `offset` is the median of log10(measured/predicted), with its 95 % interval, over those that
reach accuracy 0.95 in training, and `scatter` half the distance of its 16 % and 84 % quantiles; medians of both times
are over all. Of separable ones: how many reach it, and of how many Φ(1/σM) lies above it.
"""

import sys

import numpy as np
import pandas as pd

from sweepjax.figures.predicted_times import times
from sweepjax.reducers import Quantiles, kaplan_meier_median
from sweepjax.store.rows import scan

trainings, limits, out = sys.argv[1:]
table = times(scan([trainings]), scan([limits]))
lines = []
for (lam, n, sigma), group in table.groupby(["lam", "n", "sigma"]):
    apart, reached = group["separable"], ~group["censored_test"].astype(bool)
    inside = group[~apart]
    chosen = group[~apart & reached]
    ratio = np.log10(chosen["t_test"]) - np.log10(chosen["predicted"])  # -inf where the prediction is beyond numbers
    low, high = np.quantile(ratio, [0.1587, 0.8413], method="nearest")
    middle = kaplan_meier_median(inside["t_test"].to_numpy(float), inside["censored_test"].to_numpy(bool))
    line = {"lam": lam, "n": n, "sigma": sigma, "inseparable": len(inside), "reached": int((reached & ~apart).sum())}
    line |= dict(zip(("t_test", "t_test_low", "t_test_high"), middle, strict=True))
    line |= {"predicted": inside["predicted"].median()}
    line |= Quantiles.of(ratio.to_numpy(float), 4096).median("offset") | {"scatter": (high - low) / 2}
    line |= {"separable": int(apart.sum()), "separable_reached": int((reached & apart).sum())}
    line |= {"separable_limit_above": int(group["reaches"].sum())}
    line |= {"separable_reached_limit_below": int((reached & apart & ~group["reaches"]).sum())}
    lines.append(line)
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")
