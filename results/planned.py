"""What presets would take, by the plan of each: OUT.csv PRESET..., on the devices of this machine.

A line a preset: points, rows, steps of a training (or its last time), and what a plan estimates from the first rows or
steps of at most three families, in hours, and bytes of memory a batch and of disk. Compiling is not in the hours.
"""

import sys

import pandas as pd

from sweepjax.engine.engine import Engine
from sweepjax.plan import plan
from sweepjax.presets import preset

HOUR, MIB = 3600.0, 2.0**20


def main(out: str, *names: str) -> None:
    """Write the table as it grows."""
    engine, lines = Engine(), []
    for name in names:
        sweep = preset(name)
        made = plan(sweep, engine=engine)
        line = {
            "preset": name,
            "points": made.points,
            "rows": made.rows,
            "until": float(next(sweep.tasks()).times[-1]),
            "hours": made.computing / HOUR,
            "batch_mib": made.batch_bytes / MIB,
            "disk_mib": made.stored_bytes / MIB,
        }
        lines.append(line)
        pd.DataFrame(lines).to_csv(out, index=False, float_format="%.3g")
        print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
