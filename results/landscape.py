"""The line from a memorising point to the end of a training, and the modes of its path: OUT.csv OUT.png STEP DIR.

The line is `loss_slices:direction=end:filters=false` of the recorded step, s = 0 there and s = 1 at the end. The table
has a line for each quantity: its mean over draws, the 95 % interval of that (Student's), and the extremes.
"""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import t as student

import sweepjax as sj
from sweepjax.figures._drawing import styled

LOSS, TEST_LOSS, RIGHT, TEST_RIGHT = range(4)
MODES = {"last_1": 0, "last_2": 1, "mean_1": 2, "mean_2": 3}
CURVATURES = ("largest", "smallest", "condition")


def main(out: str, picture: str, step: str, directory: str) -> None:
    """Write the table and the picture."""
    rows = sj.read(directory)
    steps = np.array(rows["step"].iloc[0], float)
    place = list(steps).index(float(step))
    lines, modes = (numbers(rows[name]) for name in ("loss_slices", "path_modes"))
    s = np.linspace(-1.5, 1.5, lines.shape[-1])
    found = barrier(s, lines[:, place]) | {f"share of modes, {name}": modes[:, -1, k] for name, k in MODES.items()}
    found["cosine to the start, at the end"] = numbers(rows["start_cosine"])[:, -1]
    for name in ("t_train_99", "t_test_99"):
        found[name] = rows[name].to_numpy(float)
    if "hessian_lanczos" in rows:
        curved = numbers(rows["hessian_lanczos"])
        for when, k in (("0", 0), (step, place), (f"{steps[-1]:g}", -1)):
            found |= {f"curvature at step {when}, {part}": curved[:, k, i] for i, part in enumerate(CURVATURES)}
    pd.DataFrame([line(name, values) for name, values in found.items()]).to_csv(out, index=False, float_format="%.4g")
    mpl.use("agg")
    draw(s, lines[:, place], steps, modes, int(float(step))).savefig(picture)


def numbers(column: pd.Series) -> np.ndarray:
    """Return the numbers of a column of lists."""

    def inner(value: object) -> np.ndarray:
        return np.array([inner(each) for each in value] if isinstance(value, list | np.ndarray) else value, float)

    return np.stack([inner(value) for value in column])


def barrier(s: np.ndarray, lines: np.ndarray) -> dict[str, np.ndarray]:
    """Return the ends, the top and the middle of the line of each draw."""
    between = (s > -1e-9) & (s < 1 + 1e-9)
    inside, middle = lines[:, :, between], int(np.argmin(np.abs(s - 0.5)))
    loss, ends = inside[:, LOSS], np.maximum(inside[:, LOSS, 0], inside[:, LOSS, -1])
    return {
        "train loss at s = 0": loss[:, 0],
        "train loss at its top": loss.max(axis=1),
        "train loss at s = 1": loss[:, -1],
        "top over the larger end": loss.max(axis=1) / ends,
        "s of the top": s[between][loss.argmax(axis=1)],
        "least train accuracy": inside[:, RIGHT].min(axis=1),
        "test accuracy at s = 0": inside[:, TEST_RIGHT, 0],
        "test accuracy at s = 0.5": lines[:, TEST_RIGHT, middle],
        "test accuracy at s = 1": inside[:, TEST_RIGHT, -1],
    }


def line(name: str, values: np.ndarray) -> dict[str, object]:
    """Return the line of a quantity; nan is left out, and counted."""
    there = values[np.isfinite(values)]
    half = student.ppf(0.975, there.size - 1) * there.std(ddof=1) / np.sqrt(there.size) if there.size > 1 else np.nan
    mean = there.mean()
    ends = {"low": mean - half, "high": mean + half, "least": there.min(), "largest": there.max()}
    return {"quantity": name, "mean": mean} | ends | {"draws": there.size, "left_out": values.size - there.size}


@styled
def draw(s: np.ndarray, lines: np.ndarray, steps: np.ndarray, modes: np.ndarray, step: int) -> Figure:
    """Draw losses and accuracies on the line, and the shares of two modes as the path grows; a thin line a draw."""
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    figure = Figure(figsize=(7.0, 2.9), layout="constrained")
    loss, right, shares = figure.subplots(1, 3)
    for axes, sides, word in ((loss, (LOSS, TEST_LOSS), "loss"), (right, (RIGHT, TEST_RIGHT), "accuracy")):
        for k, (side, name) in enumerate(zip(sides, ("in training", "on fresh pairs"), strict=True)):
            axes.plot(s, lines[:, side].T, color=colors[k], linewidth=0.8, alpha=0.6)
            axes.plot([], [], color=colors[k], label=name)
        axes.set(xlabel=f"s (0: step {step}, 1: step {steps[-1]:g})", ylabel=word)
        for end in (0, 1):
            axes.axvline(end, color="0.6", linewidth=0.8, linestyle=":")
    loss.set_yscale("log")
    for k, (part, name) in enumerate((("last_2", "about its last point"), ("mean_2", "about its mean"))):
        shares.plot(steps, modes[:, :, MODES[part]].T, color=colors[k + 2], linewidth=0.8, alpha=0.6)
        shares.plot([], [], color=colors[k + 2], label=name)
    shares.axhline(0.98, color="0.6", linewidth=0.8, linestyle="--", label="0.98, as published")
    shares.set(xlabel="step", ylabel="share of two modes")
    loss.legend(*right.get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(0, -0.25))
    shares.legend(loc="upper left", bbox_to_anchor=(0, -0.25))
    return figure


if __name__ == "__main__":
    main(*sys.argv[1:])
