"""How fast trainings come to rest against the least eigenvalue at their limit: TRAININGS LIMITS FILE.csv.

A line a λ of inseparable datasets: the slope of log|‖S‖ - ‖S_∞‖| against log t, over the times at which the difference
is NEAR to FAR of ‖S_∞‖, over -μ: median with its 95 % interval, quartiles and 5 % and 95 % quantiles; and of how many
datasets the record holds a decade of such times. The law is that of exponential losses; cross entropy adds a term 1/t.
"""

import sys

import numpy as np
import pandas as pd

from sweepjax.figures._limits import DATASET
from sweepjax.reducers import Quantiles
from sweepjax.store.rows import scan

NEAR, FAR = 1e-4, 2e-2
LEAST = 20  # recorded times, a decade

trainings, limits, out = sys.argv[1:]
known = scan([limits]).to_table(columns=[*DATASET, "separable", "s_norm", "relaxation_rate"]).to_pandas()
known = known[~known["separable"]].rename(columns={"s_norm": "s_inf"})
rows = scan([trainings]).to_table(columns=["lam", "sigma", *DATASET, "time", "s_norm"]).to_pandas()
table = rows.merge(known, on=DATASET)


def ratio(row: pd.Series) -> float:
    """Return the slope over its law; nan where the record holds too little of it."""
    time, away = row["time"][1:], np.abs(row["s_norm"][1:] / row["s_inf"] - 1)
    late = np.flatnonzero(away > FAR)[-1] + 1 if (away > FAR).any() else 0
    near = np.flatnonzero(away[late:] < NEAR)
    last = late + (near[0] if near.size else len(away) - late)
    if last - late < LEAST:
        return np.nan
    return np.polyfit(np.log(time[late:last]), np.log(away[late:last]), 1)[0] / -row["relaxation_rate"]


table["ratio"] = [ratio(row) for _, row in table.iterrows()]
lines = []
for lam, group in table.groupby("lam"):
    found = group["ratio"].dropna()
    line = {"lam": lam, "inseparable": len(group), "with_a_decade": len(found)}
    line |= Quantiles.of(found.to_numpy(), 4096).median("median")
    line |= {f"q{percent:02d}": found.quantile(percent / 100) for percent in (5, 25, 75, 95)}
    line |= {"within_1.5_percent": int(((found - 1).abs() < 0.015).sum()), "rate": group["relaxation_rate"].median()}
    lines.append(line)
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")
