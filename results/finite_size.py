"""Medians of ‖S_∞‖ and the margin against their laws at each N, which have no free number: FILE.csv DIR..."""

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

out, *directories = sys.argv[1:]
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
for (column, critical), group in table.groupby(["column", table["lam"] == 0.5]):
    print(f"{column}, λ {'=' if critical else '≠'} 1/2: {group['holds'].sum()} of {len(group)} medians hold the law")
