"""What theory says of the presets beforehand, held against trainings: TIMES.csv IMPOSSIBLE.csv DRAWS PRESET...

TIMES has a line for each preset, kind of prediction and point. A prediction is one number for all draws of a point
(`point`: many samples, or a mean over draws), or the closed form of each dataset before it is trained (`draw`); `near`
is the share of draws whose grokking time is within a factor of two of it, or within the grain of what is recorded.
IMPOSSIBLE has a line for each point of which it is said that no draw can generalize, and how many draws did. Without a
PRESET it is all of them. Of a preset that foretells many times some are taken, evenly; of perceptrons ten times the
draws.
"""

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import sweepjax as sj
from sweepjax import oracle
from sweepjax.identity import name_of
from sweepjax.presets import preset, preset_names
from sweepjax.sweep.sweep import Sweep

MOST = 3  # points of a preset
LARGE, FEW, MANY = 500, 4, 10  # features or outputs of which few draws are taken; times the draws of perceptrons
ACCURACY = 0.95
WALK = {"solver": "proximal_flow", "until": 1e4, "record": "0,log:0.01:1e4@1400"}  # perceptrons, step by step
GRAIN = 0.02  # of these times
DENIED = ["preset", "point", "rows", "generalized", "best_test_accuracy"]  # columns of IMPOSSIBLE


class Point(NamedTuple):
    """A point of a preset as the options of a sweep, and what is known of it."""

    preset: str
    options: dict[str, Any]
    known: dict[str, float]

    def trained(self, draws: int, **other: Any) -> pd.DataFrame:
        """Return the rows of some draws."""
        large = max(self.options.get("d", 0), self.options.get("outputs", 1)) > LARGE
        count = min(draws, FEW) if large else MANY * draws if "epsilon" in self.options else draws
        return sj.run(Sweep.from_toml(self.options | other | {"realizations": count}))

    @property
    def where(self) -> str:
        """The fields of the model."""
        names = ("n", "d", "width", "outputs", "epsilon", "l1", "l2", "tolerance", "init_bias")
        return ", ".join(f"{name} {self.options[name]:.6g}" for name in names if name in self.options)


def points(name: str) -> tuple[list[Point], list[Point]]:
    """Return some points of a preset of which a grokking time is known, and all of which it is said that none can."""
    models = {task.model: task for _, task in zip(range(oracle.MOST * 10), preset(name).tasks(), strict=False)}
    every = [Point(name, options(task), oracle.known(model)) for model, task in models.items() if task.times]
    never = [each for each in every if each.known.get(oracle.GENERALIZES, 1) == 0]
    kept = [each for each in every if has_time(each) and each not in never]
    return [kept[k] for k in np.unique(np.linspace(0, len(kept) - 1, MOST).astype(int))] if kept else [], never


def has_time(point: Point) -> bool:
    """Whether a time is known of a point, or of each of its datasets."""
    return bool({"grokking_time", "t_grok"} & point.known.keys()) or point.options["model"] == "perceptron_ball"


def options(task: Any) -> dict[str, Any]:
    """Return a task as the options of a sweep; of two fields of one name that of the model, which is what they set."""
    fields = {
        field.name: getattr(part, field.name)
        for part in (task.solver, task.model)
        for field in dataclasses.fields(part)
    }
    return {"model": name_of(task.model), "solver": name_of(task.solver), "until": float(task.times[-1])} | fields


def timed(point: Point, draws: int) -> Iterator[tuple[str, float | NDArray, NDArray, float | NDArray]]:
    """Yield the kind of a prediction, what it is for each draw, what the training took, and the grain of that."""
    if "grokking_time" in point.known:
        rows = point.trained(draws)
        measured = crossing(rows, "test_accuracy", ACCURACY) - crossing(rows, "train_accuracy", ACCURACY)
        yield "point", point.known["grokking_time"], measured, 0.0
        return
    if point.options["l1"] > 0 and point.options["model"] == "perceptron_ball":
        return  # whose closed form is a walk itself
    rows = point.trained(draws, **WALK)
    rows = rows[rows["generalizes"]]
    late = crossing(rows, "test_accuracy", 1 - 1e-12)
    measured = late - crossing(rows, "train_accuracy", 1)
    yield "draw", rows["t_grok"].to_numpy(float), measured, GRAIN * late
    if "t_grok" in point.known:
        yield "point", point.known["t_grok"], measured, GRAIN * late


def crossing(rows: pd.DataFrame, column: str, level: float) -> NDArray[np.float64]:
    """Return when a curve of each row first reaches a level, between recorded times in their logarithm; or infinity."""
    return np.array(
        [
            first(np.asarray(time), np.asarray(curve), level)
            for time, curve in zip(rows["time"], rows[column], strict=True)
        ]
    )


def first(time: NDArray, curve: NDArray, level: float) -> float:
    """Return when a curve first reaches a level."""
    above = np.flatnonzero(curve >= level)
    if not above.size:
        return np.inf
    after = above[0]
    if after == 0 or time[after - 1] == 0:
        return float(time[after])
    part = (level - curve[after - 1]) / (curve[after] - curve[after - 1])
    return float(time[after - 1] * (time[after] / time[after - 1]) ** part)


def lines(point: Point, draws: int) -> Iterator[dict[str, Any]]:
    """Yield a line of TIMES for each kind of prediction."""
    for kind, foreseen, measured, grain in timed(point, draws):
        if not measured.size:
            continue
        predicted = np.broadcast_to(foreseen, measured.shape)
        near = (measured <= 2 * predicted) & (predicted <= 2 * measured) | (np.abs(measured - predicted) <= grain)
        yield {
            "preset": point.preset,
            "prediction": kind,
            "point": point.where,
            "predicted": np.median(predicted),
            "measured": np.median(measured),
            "rows": measured.size,
            "near": int(near.sum()),
            "share": near.mean(),
        }


def denied(point: Point, draws: int) -> dict[str, Any]:
    """Return a line of IMPOSSIBLE."""
    rows = point.trained(draws)
    ends = np.array([curve[-1] for curve in rows["test_accuracy"]])
    right = rows["generalizes"].to_numpy(bool) if "generalizes" in rows else ends >= ACCURACY
    return dict(zip(DENIED, [point.preset, point.where, len(rows), int(right.sum()), ends.max()], strict=True))


def main(times: str, impossible: str, draws: str, *presets: str) -> None:
    """Write both tables as they grow, and print their sums."""
    near, false = [], []
    pd.DataFrame(columns=DENIED).to_csv(impossible, index=False)
    for name in presets or preset_names():
        timed_points, never = points(name)
        for point in timed_points:
            near += lines(point, int(draws))
            pd.DataFrame(near).to_csv(times, index=False, float_format="%.5g")
        for point in never:
            false += [denied(point, int(draws))]
            pd.DataFrame(false).to_csv(impossible, index=False, float_format="%.5g")
    for kind, table in pd.DataFrame(near).groupby("prediction"):
        print(f"{kind}: {table['near'].sum()} of {table['rows'].sum()} draws within a factor of two")
    print(f"{sum(line['generalized'] for line in false)} of {sum(line['rows'] for line in false)} draws generalized")


if __name__ == "__main__":
    main(*sys.argv[1:])
