"""Slopes of √log(t_test/t_train) against log(1 - 2λ) for thresholds ε: FILE.csv DIR...

A line for each threshold and loss: the slope over all λ < 1/2 whose median is within the record, its standard error,
how many λ these are and how many are missing; with the 95 % intervals of the medians at the λ nearest to 1/2.
"""

import sys

import pandas as pd
import pyarrow.compute as pc

from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.store.rows import scan

THRESHOLDS = (1e-1, 1e-2, 1e-4, 1e-6, 1e-8, 1e-12, 1e-16)
SHOWN = (0.2, 0.35, 0.45, 0.47, 0.48, 0.49)

out, *directories = sys.argv[1:]
lines = []
for directory in directories:
    rows = scan([directory])
    for loss in sorted(set(rows.to_table(columns=["loss"])["loss"].to_pylist())):
        chosen = rows.filter((pc.field("loss") == loss) & (pc.field("lam") < 0.5))
        for threshold in THRESHOLDS:
            table = GrokkingTime(quantity="loss", threshold=threshold, by="lam")(chosen)
            known = {name: table.attrs.get(name) for name in ("slope", "slope_se", "slope_points", "slope_left_out")}
            found = table.set_index(table["lam"].round(6))
            line = {"loss": loss, "threshold": threshold} | known
            for lam in SHOWN:
                for end in ("", "_low", "_high"):
                    line[f"root_{lam:g}{end}"] = found["sqrt_log_ratio" + end].get(lam)
            lines.append(line)
pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")
