"""What it costs to see that a training has arrived: OUT.csv DIR, with rows of `linear_stuck` by gradient_descent.

A line a draw: the losses of fresh samples after the last step and at the optimum, after how many steps they were within
a hundredth of each other for good, and processor seconds: of such a training, of its whole curve in closed form (solver
exact_descent) and of the optimum of the dataset, each computed once more after it was compiled.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pandas as pd

import sweepjax as sj
from sweepjax.engine.engine import Engine
from sweepjax.engine.rows import model_of
from sweepjax.sweep.sweep import Sweep

NEAR = 0.01
SOLVES = 100  # of the closed form, timed together
SOLVERS = {"seconds_training": "gradient_descent", "seconds_curve": "exact_descent"}


def main(out: str, directory: str) -> None:
    """Write the table."""
    rows = sj.read(directory).sort_values("realization")
    costs = {name: seconds_of(rows.iloc[0], solver) for name, solver in SOLVERS.items()}
    table = pd.DataFrame([line(row) | costs for _, row in rows.iterrows()])
    table.to_csv(out, index=False, float_format="%.6g")


def line(row: pd.Series) -> dict[str, Any]:
    """Return what a row came to, beside its optimum."""
    curve, end = np.asarray(row["test_loss"]), row["test_loss_inf"]
    away = np.flatnonzero(np.abs(curve / end - 1) > NEAR)
    return {
        "realization": row["realization"],
        "steps": row["step"][-1],
        "test_loss": curve[-1],
        "test_loss_inf": end,
        "relative": curve[-1] / end - 1,
        "steps_needed": row["step"][min(away[-1] + 1, len(curve) - 1)],
        "seconds_optimum": seconds_of_optimum(row),
    }


def seconds_of_optimum(row: pd.Series) -> float:
    """Return the processor seconds of the optimum of the dataset of a row."""
    model, data = model_of(row), sj.dataset(row)
    with jax.enable_x64(True):
        start = model.init(jax.random.key(0), data)
        optimum = jax.jit(model.facts)
        return (
            taken(lambda: [optimum(data, start)["test_loss_inf"].block_until_ready() for _ in range(SOLVES)]) / SOLVES
        )


def seconds_of(row: pd.Series, solver: str) -> float:
    """Return the processor seconds of a row by a solver, drawing and recording included."""
    asked = {"model": row["model"], "solver": solver, "n": int(row["n"]), "d": int(row["d"]), "l2": row["l2"]}
    asked |= {"learning_rate": row["learning_rate"], "until": float(row["step"][-1]), "realizations": 1}
    (chunk,) = Sweep.from_toml(asked).chunks(1)
    engine = Engine(device="cpu")
    return taken(lambda: engine.compute(chunk))


def taken(work: Callable[[], Any]) -> float:
    """Return the processor seconds of a call, after one that compiles."""
    work()
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
