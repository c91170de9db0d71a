"""Medians of ‖S_∞‖ and the margin against their laws at each N, which have no free number: FILE.csv TRENDS.csv DIR...

TRENDS.csv says with which power of N the ratios at λ = 1/2 grow, with all sizes and without the largest: 0 is
agreement. Least squares of log ratio against log N, weighted by the 95 % intervals, which alone give its error.
"""

import sys

import numpy as np
import pandas as pd

from sweepjax.reducers.mean import Mean
from sweepjax.store.rows import scan
from sweepjax.theory.critical import s_inf_quantile
from sweepjax.theory.margin import margin, margin_median

LAWS = {
    "s_norm": lambda lam, n: s_inf_quantile(0.5, n=n, lam=lam),
    "margin": lambda lam, n: margin_median(lam, n=n),
}

WIDTH = 2 * 1.96  # of a 95 % interval, in standard errors


def trend(table):
    """Return the exponent of the ratios in N, and its standard error."""
    weights = (WIDTH / np.log(table["ratio_high"] / table["ratio_low"])) ** 2
    log_n = np.log(table["n"])
    log_n = log_n - np.average(log_n, weights=weights)
    spread = np.sum(weights * log_n**2)
    return {"exponent": np.sum(weights * log_n * np.log(table["ratio"])) / spread, "se": spread**-0.5}


out, trends, *directories = sys.argv[1:]
rows = scan(directories)
table = Mean(column="s_norm,margin", quantiles="75,99", sketch=65_535)(rows).query("kept >= 20")
table = table[
    (table["column"] == "s_norm") & (table["lam"] <= 0.5) | (table["column"] == "margin") & (table["lam"] >= 0.5)
]
table["law"] = [float(LAWS[line.column](line.lam, line.n)) for line in table.itertuples()]
for name in ("median", "median_low", "median_high"):
    table[name.replace("median", "ratio")] = table[name] / table["law"]
table["holds"] = (table["ratio_low"] <= 1) & (table["ratio_high"] >= 1)
table["tail_exponent"] = (np.log(25) / np.log(table["q99"] / table["q75"])).where(
    (table["column"] == "s_norm") & (table["lam"] == 0.5)
)
beyond = (table["column"] == "margin") & (table["lam"] > 0.5)
kappa = pd.Series(margin(table["lam"].to_numpy()), table.index)
table["n_excess"] = (table["n"] * (table["mean"] - kappa)).where(beyond)  # of the mean over κ, times n
table["n_excess_se"] = (table["n"] * table["se"]).where(beyond)
kept = ["column", "n", "lam", "kept", "median", "law", "ratio", "ratio_low", "ratio_high", "holds"]
table = table[[*kept, "tail_exponent", "n_excess", "n_excess_se"]].sort_values(["column", "n", "lam"])
table.to_csv(out, index=False, float_format="%.6g")
lines = [
    {"column": column, "largest_n": group["n"].iloc[sizes - 1]} | trend(group.head(sizes))
    for column, group in table[table["lam"] == 0.5].groupby("column")
    for sizes in (len(group) - 1, len(group))
    if sizes > 1
]
pd.DataFrame(lines).to_csv(trends, index=False, float_format="%.6g")
for (column, critical), group in table.groupby(["column", table["lam"] == 0.5]):
    print(f"{column}, λ {'=' if critical else '≠'} 1/2: {group['holds'].sum()} of {len(group)} medians hold the law")
