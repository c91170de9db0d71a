"""‖S_∞‖ and μ of the draws nearest to the edge, found again by NumPy and SciPy in float64: RUN COUNT FILE.csv.

A line for each of the COUNT inseparable draws with the largest ‖S_∞‖, certified or not: what the row says over what is
found again, less 1.
"""

import sys

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from scipy.linalg import eigvalsh
from scipy.special import softmax

from sweepjax.engine.redraw import dataset
from sweepjax.recheck.limit import minimiser
from sweepjax.store.rows import scan

run, count, out = sys.argv[1:]
rows = scan([run]).to_table(filter=~pc.field("separable")).to_pandas()
lines = []
for row in rows.nlargest(int(count), "s_norm").to_dict("records"):
    x = np.asarray(dataset(row).x, dtype=np.float64)
    s = minimiser(x)
    rate = eigvalsh((x.T * softmax(x @ s)) @ x, subset_by_index=[0, 0])[0]
    line = {name: row[name] for name in ("d", "realization", "certified", "s_norm", "relaxation_rate")}
    line |= {"s_norm_deviation": row["s_norm"] / np.linalg.norm(s) - 1}
    lines.append(line | {"relaxation_rate_deviation": row["relaxation_rate"] / rate - 1})
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")
