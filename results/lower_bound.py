"""The lower bound on ‖S_∞‖ beside the rows it bounds: DIR FILE.csv [DRAWS].

The origin is δ-close to the boundary of the hull if some d samples carry a weight of at least 1 - δ in every convex
combination that gives it. Chosen are the d samples of the largest weight at S_∞; a linear program finds the most that
the others can carry, which is the δ of this choice. A line a draw: δ, the diameter D, the bound, ‖S_∞‖ and their ratio.
"""

import sys

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.spatial.distance import pdist

import sweepjax as sj
from sweepjax.recheck.limit import minimiser
from sweepjax.theory.lower_bound import s_inf_lower_bound

directory, out, *draws = sys.argv[1:]
count = int(draws[0]) if draws else 10
rows = sj.read(directory).query("not separable and lam < 0.5")
lines = []
for _, group in rows.groupby(["n", "d", "sigma"]):
    for _, row in group.sort_values("realization").head(count).iterrows():
        x = np.asarray(sj.dataset(row).x, dtype=np.float64)
        n, d = x.shape
        others = np.argsort(np.exp(x @ minimiser(x)))[: n - d]
        cost = np.zeros(n)
        cost[others] = -1
        found = linprog(cost, A_eq=np.vstack([x.T, np.ones(n)]), b_eq=np.append(np.zeros(d), 1.0), bounds=(0, None))
        delta, diameter = float(np.clip(-found.fun, 1e-12, 1 - 1e-12)), float(pdist(x).max())
        bound = float(s_inf_lower_bound(n=n, d=d, delta=delta, diameter=diameter))
        line = {"lam": row["lam"], "n": n, "d": d, "sigma": row["sigma"], "realization": row["realization"]}
        line |= {"delta": delta, "diameter": diameter, "bound": bound, "s_norm": row["s_norm"]}
        lines.append(line | {"share": bound / row["s_norm"]})
table = pd.DataFrame(lines)
table.to_csv(out, index=False, float_format="%.5g")
print(f"{(table['bound'] <= table['s_norm']).sum()} of {len(table)} draws obey the bound")
