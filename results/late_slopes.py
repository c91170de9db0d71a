"""How b, ‖S‖ and conformal time go on growing with log t, dataset by dataset: TRAININGS LIMITS FILE.csv.

Of separable datasets of margin M, b falls like -log t/(1 + M²), ‖S‖ grows like M log t/(1 + M²) and τ like
t^(M²/(1 + M²)). Each slope is that of the last decades of the record over its law, so that 1 is agreement;
medians along λ with their 95 % intervals. In `b_by_kappa` the law of b has κ(λ) of infinite datasets for the median M.
τ needs trainings with --observe conformal_time.
"""

import sys

import numpy as np
import pandas as pd

from sweepjax.figures._limits import DATASET, with_limits
from sweepjax.reducers import Quantiles
from sweepjax.store.rows import scan
from sweepjax.theory.margin import margin

DECADES = 6.0  # of the record that the slopes are of

trainings, limits, out = sys.argv[1:]
rows = scan([trainings])
curves = [name for name in ("time", "b", "s_norm", "conformal_time") if name in rows.schema.names]
table = with_limits(rows.to_table(columns=["lam", "sigma", *DATASET, *curves]).to_pandas(), scan([limits]), rows)
table = table[table["separable"]]
values = {name: np.stack(table[name].to_numpy())[:, 1:] for name in curves}
clock = np.log(values.pop("time"))
start = np.argmin(np.abs(clock - (clock[:, -1:] - DECADES * np.log(10))), axis=1)
each = np.arange(len(table))


def rise(curve):
    """Return how much a curve grows per unit of log t over the last decades."""
    return (curve[:, -1] - curve[each, start]) / (clock[:, -1] - clock[each, start])


square = (table["margin"] * table["sigma"]).to_numpy() ** 2
table["margin_squared"] = square
table["b"] = -rise(values["b"]) * (1 + square)
table["s_norm"] = rise(values["s_norm"]) * (1 + square) / np.sqrt(square)
if "conformal_time" in values:
    table["conformal_time"] = rise(np.log(values["conformal_time"])) * (1 + square) / square
lines = []
for lam, group in table.groupby("lam"):
    line = {"lam": lam, "rows": len(group)}
    for name in ("margin_squared", *values):
        line |= Quantiles.of(group[name].to_numpy(float), 4096).median(name)
    kappa = float(margin(lam)) * group["sigma"].iloc[0]
    line["b_by_kappa"] = line["b"] * (1 + kappa**2) / (1 + line["margin_squared"])
    lines.append(line)
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.6g")
