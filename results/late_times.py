"""Loss and accuracy along λ against the law of late times, and where losses cross: ROWS FILE.csv FILE.csv.

The first table has a line for each λ and each power of 100 of the time: medians with 95 % intervals, and the laws for
N → ∞. Below λ = 1/2 these are accuracy and loss of S = S_∞ and e^(-b) = 1 + L_∞ t; above it Φ(1/σM), where t → ∞. The
second says between which λ the median losses of two times cross, linear in log loss between the points; its 95 %
interval is of 2,000 resamples of the datasets of each λ.
"""

import sys

import numpy as np
import pandas as pd

from sweepjax.reducers import Quantiles
from sweepjax.store.rows import scan
from sweepjax.theory.margin import limiting_accuracy, margin
from sweepjax.theory.population import population_accuracy, population_loss
from sweepjax.theory.s_inf import loss_inf, s_inf

RESAMPLES, SEED = 2000, 0
NEAR = 0.08  # from λ = 1/2 within which crossings are looked for

directory, out, crossed = sys.argv[1:]
rows = scan([directory]).to_table(columns=["lam", "sigma", "time", "test_accuracy", "log_test_loss"]).to_pandas()
time = rows["time"].iloc[0]
exponents = range(0, int(np.log10(time[-1]) + 1e-9) + 1, 2)
places = [int(np.argmin(np.abs(np.log10(np.maximum(time, 1e-300)) - exponent))) for exponent in exponents]


def laws(lam, sigma, at):
    """Return accuracy and log loss for N → ∞ at a late time; above 1/2 the accuracy for t → ∞."""
    if lam > 0.5:
        return {"accuracy_law": float(limiting_accuracy(margin(lam, sigma=sigma), sigma=sigma))}
    b, spread = -np.log1p(loss_inf(lam) * at), s_inf(lam)
    if lam == 0.5 or -b <= spread:
        return {}
    return {"accuracy_law": population_accuracy(b, spread), "log_loss_law": np.log(population_loss(b, spread))}


groups = dict(list(rows.groupby("lam")))
losses = {lam: np.stack(group["log_test_loss"].to_numpy())[:, places] for lam, group in groups.items()}
lines = []
for lam, group in groups.items():
    accuracies = np.stack(group["test_accuracy"].to_numpy())[:, places]
    for place, accuracy, loss in zip(places, accuracies.T, losses[lam].T, strict=True):
        line = {"lam": lam, "time": time[place], "rows": len(group)} | Quantiles.of(accuracy, 4096).median("accuracy")
        lines.append(
            line | Quantiles.of(loss, 4096).median("log_loss") | laws(lam, group["sigma"].iloc[0], time[place])
        )
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.6g")

near = [lam for lam in losses if abs(lam - 0.5) < NEAR]


def crossing(curves):
    """Return the λ at which two curves [λ 2] cross for the last time; nan where they do not."""
    gap = curves[:, 0] - curves[:, 1]
    last = np.flatnonzero(gap[:-1] * gap[1:] <= 0)
    if not last.size:
        return np.nan
    low = last[-1]
    return near[low] + (near[low + 1] - near[low]) * gap[low] / (gap[low] - gap[low + 1])


draws = np.random.default_rng(SEED)
chosen = [{lam: draws.integers(len(losses[lam]), size=len(losses[lam])) for lam in near} for _ in range(RESAMPLES)]
lines = []
for first, second in zip(range(1, len(places)), range(2, len(places)), strict=False):
    pairs = {lam: losses[lam][:, [first, second]] for lam in near}
    again = [crossing(np.array([np.median(pairs[lam][rank[lam]], axis=0) for lam in near])) for rank in chosen]
    low, high = np.nanquantile(again, [0.025, 0.975])
    found = crossing(np.array([np.median(pairs[lam], axis=0) for lam in near]))
    times = {"time": time[places[first]], "later": time[places[second]]}
    lines.append(times | {"lam": found, "lam_low": low, "lam_high": high, "resamples": int(np.isfinite(again).sum())})
pd.DataFrame(lines).to_csv(crossed, index=False, float_format="%.6g")
