"""How far descent is from the flow at the times that both record, λ by λ: DESCENT FLOW FILE.csv.

The largest differences of accuracies, of the loss on fresh data (relative), and of b and ‖S‖ (relative); and the part
of ‖S‖ at the last of these times.
"""

import sys

import numpy as np
import pandas as pd

from sweepjax.store.rows import scan

CURVES = ["train_accuracy", "test_accuracy", "test_loss", "b", "s_norm"]

*directories, out = sys.argv[1:]
tables = [scan([each]).to_table(columns=["lam", "time", *CURVES]).to_pandas().set_index("lam") for each in directories]
lines = []
for lam, descent in tables[0].iterrows():
    flow = tables[1].loc[lam]
    shared = np.abs(np.log(descent["time"][1:, None] / flow["time"][None, 1:])) < 1e-9
    first, second = (1 + place for place in np.nonzero(shared))
    found = {name: np.abs(descent[name][first] - flow[name][second]) for name in CURVES}
    sizes = {name: np.abs(flow[name][second]) for name in CURVES}
    line = {"lam": lam, "times": len(first), "last": descent["time"][first[-1]]}
    line |= {name: found[name].max() for name in ("train_accuracy", "test_accuracy")}
    relative = {name: found[name] / sizes[name] for name in ("test_loss", "b", "s_norm")}
    line |= {name: values.max() for name, values in relative.items()} | {"s_norm_last": relative["s_norm"][-1]}
    lines.append(line | {"b_last": relative["b"][-1]})
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.3g")
