"""How far ‖S‖ of cross entropy is from that of exponential losses at the same τ: TRAININGS LIMITS FILE.csv.

A line for each λ and power of ten of the time of cross entropy: the relative difference at its τ, where the curve of
exponential losses is interpolated in log τ; what is left to ‖S_∞‖ of either loss; and |b|/‖S‖ beside 1/M.
"""

import sys

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from sweepjax.figures._limits import DATASET, with_limits
from sweepjax.store.rows import scan

TIMES = (1e1, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12)
CURVES = ["time", "conformal_time", "s_norm", "bias_ratio"]

trainings, limits, out = sys.argv[1:]
rows = scan([trainings]).to_table(columns=["lam", "sigma", "loss", *DATASET, *CURVES]).to_pandas()
lines = []
for lam, group in with_limits(rows, scan([limits]), scan([trainings])).groupby("lam"):
    losses = {row["loss"]: row for row in group.to_dict("records")}
    flow, plain = losses["logistic"], losses["exponential"]
    free = CubicSpline(np.log(plain["conformal_time"][1:]), plain["s_norm"][1:], extrapolate=False)
    for time in TIMES:
        place, same = (int(np.argmin(np.abs(row["time"] - time))) for row in (flow, plain))
        expected = float(free(np.log(flow["conformal_time"][place])))
        line = {"lam": lam, "time": time, "conformal_time": flow["conformal_time"][place]}
        line |= {"deviation": flow["s_norm"][place] / expected - 1, "s_norm": flow["s_norm"][place]}
        s_inf, margin = flow["s_inf"] / flow["sigma"], flow["margin"] * flow["sigma"]
        line |= {
            "s_inf": s_inf,
            "left": flow["s_norm"][place] / s_inf - 1,
            "left_exponential": plain["s_norm"][same] / s_inf - 1,
        }
        lines.append(line | {"bias_ratio": flow["bias_ratio"][place], "inverse_margin": 1 / margin})
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")
