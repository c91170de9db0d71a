"""The constant that S and b keep beside their logarithms in the two-point model above λ = 1/2: DIR FILE.csv.

From S = b = 0 at σ = 1, S + M b tends to log(1 + 1/M), M = 2λ - 1, at the rate e^(-(1 - M)S)/M. A line for each λ at
the last recorded time: S + M b and its limit; b and S beside their laws, of log t and this constant.
"""

import sys

import numpy as np
import pandas as pd

import sweepjax as sj

directory, out = sys.argv[1:]
lines = []
for row in sj.read(directory).sort_values("lam").itertuples():
    margin, time, s, b = 2 * row.lam - 1, row.time[-1], row.s_norm[-1], row.b[-1]
    rest, log = np.log1p(1 / margin), np.log(0.5 * (1 + margin**2) * time)
    laws = (margin * log + rest) / (1 + margin**2), (margin * rest - log) / (1 + margin**2)
    lines.append({"lam": row.lam, "time": time, "sum": s + margin * b, "limit": rest, "s_norm": s, "s_law": laws[0]})
    lines[-1] |= {"b": b, "b_law": laws[1]}
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.8g")
