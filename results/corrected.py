"""Formulas as printed, as corrected, and what the rows say: OUT.csv OUT.png STEPS BRANCHES DELAY DECAY PROBABILITY.

The rows are those of perceptron_steps, ball_branches, linear_delay, linear_decay and perceptron_probability (see
perceptrons.md). A line a formula and point: the number as printed, empty where it has symbols that nothing defines, and
as corrected, the mean or median of what was measured with its 95 % interval, and of how many draws. The picture is the
delay of linear students, equation 12.
"""

import sys
from collections.abc import Iterator
from typing import Any

import jax
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import erf

import sweepjax as sj
from sweepjax.engine.rows import model_of
from sweepjax.keys import realization_keys
from sweepjax.theory import linear_regression, perceptron_ball, perceptron_exponential

Z = 1.959964
DELAY = "delay, equation 12"
QUARTER = erf(np.sqrt(2))  # the accuracy at a loss of a quarter of the tolerance


def main(out: str, picture: str, *directories: str) -> None:
    """Write the table and the picture."""
    parts = (perceptron_times, slow_branch, delays, decays, probabilities)
    lines = [line for part, each in zip(parts, directories, strict=True) for line in part(sj.read(each))]
    table = pd.DataFrame(lines)
    table.to_csv(out, index=False, float_format="%.5g")
    draw(table).savefig(picture, dpi=160)


def draw(table: pd.DataFrame) -> Figure:
    """Draw the delay of linear students over λ: as printed, by the integral over eigenvalues, and as measured."""
    mpl.use("agg")
    rows = table[table["claim"].str.startswith(DELAY)]
    lam = rows["where"].str.extract(r"lam ([\d.]+)")[0].astype(float)
    figure = Figure(figsize=(4.8, 3.4), layout="constrained")
    axes = figure.add_subplot(xlabel="λ = d/n", ylabel="delay in steps", yscale="log")
    axes.plot(lam, rows["printed"], "--", color="C1", label="equation 12, ε → 0")
    axes.plot(lam, rows["corrected"], "-", color="C0", label="theory at ε = 0.001")
    ends = np.abs(rows[["low", "high"]].to_numpy().T - rows["measured"].to_numpy())
    axes.errorbar(lam, rows["measured"], yerr=ends, fmt="o", color="C0", markersize=4, label="median of 100 draws")
    axes.legend(fontsize=8)
    return figure


def perceptron_times(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Equation 8: from when on a bias that descends step by step is within the gap, on draws that generalize."""
    for l2, group in rows[rows["generalizes"]].groupby("l2"):
        epsilon, mean = group["epsilon"].iloc[0], group["b_inf"] * (1 + l2)
        aim = mean / (1 + l2)
        printed = np.log((group["init_bias"] - aim) / (epsilon - aim))
        taken = np.array([first(time, -b, -epsilon) for time, b in zip(group["time"], group["b"], strict=True)])
        for name, foreseen in (("printed", printed), ("corrected", printed / (1 + l2))):
            yield line(f"t_eps, equation 8: measured - {name}", f"l2 {l2:g}", {name: 0.0}, mean_of(taken - foreseen))


def slow_branch(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Equation 47: between the angles of training and of generalization, for starts far from the axis."""
    epsilon, d, l2 = (rows[name].iloc[0] for name in ("epsilon", "d", "l2"))
    across = np.array([start_across(row) for _, row in rows.iterrows()])
    slow = rows[across**2 >= 1 - 1 / epsilon**2]
    level = 1 - float(perceptron_ball.test_error(epsilon / np.sqrt(1 + epsilon**2), d=int(d)))
    trained = np.array([first(t, a, level) for t, a in zip(slow["time"], slow["test_accuracy"], strict=True)])
    printed = np.log(epsilon**4 / (epsilon**4 - 1)) / (2 * perceptron_ball.relaxation_rate(d=int(d), l2=l2))
    known = {"printed": printed, "corrected": perceptron_ball.slow_delay(epsilon, d=int(d), l2=l2)}
    delay = (slow["t_test"] - trained).to_numpy(float)
    where = f"D {d}, epsilon {epsilon:g}, l2 {l2:g}, N {rows['n'].iloc[0]}"
    yield line("slow branch, equation 47 (median)", where, known, median_of(delay))
    share = np.r_[np.ones(len(rows) - len(slow)), np.zeros(len(slow))]
    yield line(
        "share of the fast branch",
        where,
        {"corrected": perceptron_ball.fast_probability(epsilon, d=int(d))},
        mean_of(share),
    )


def delays(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Equation 12: steps between a loss of a quarter of the tolerance in training and on fresh samples."""
    for lam, group in rows.groupby("lam"):
        rate, tolerance = group["learning_rate"].iloc[0], group["tolerance"].iloc[0]
        train, test = (
            np.array(
                [first(step, -loss, -tolerance / 4) for step, loss in zip(group["step"], group[name], strict=True)]
            )
            for name in ("train_loss", "test_loss")
        )
        printed = linear_regression.leading_delay(lam, learning_rate=rate)
        theory = linear_regression.crossing_steps(linear_regression.Training(lam, rate), level=QUARTER)
        known = {"printed": printed, "corrected": theory.test - theory.train}
        yield line(
            "delay, equation 12 (median)", f"lam {lam:.3g}, tolerance {tolerance:g}", known, median_of(test - train)
        )


def decays(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Equation 16: the losses at which training with weight decay ends."""
    for l2, group in rows[rows["l2"] > 0].groupby("l2"):
        lam = group["lam"].iloc[0]
        for name, power in (("train_loss_inf", 1), ("test_loss_inf", 3)):
            printed = l2**2 / (4 * (1 - lam) ** power)
            known = {"printed": printed, "corrected": printed / 2}
            yield line(f"{name}, equation 16", f"lam {lam:.3g}, gamma {l2:g}", known, mean_of(group[name]))


def probabilities(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Equation 14, which names a B and a d that nothing defines: with both read as N and 1."""
    for (n, epsilon), group in rows.groupby(["n", "epsilon"]):
        if n * epsilon < 8:  # beyond, its terms cancel to the last digit
            formula = perceptron_exponential.generalizing_probability_hypergeometric(epsilon, n=int(n))
            place = f"N {n}, epsilon {epsilon:.4g}"
            yield line("P, equation 14", place, {"corrected": formula}, share_of(group["generalizes"].to_numpy(bool)))


def line(claim: str, where: str, known: dict[str, float], found: tuple[float, float, float, int]) -> dict[str, Any]:
    """Return a line of the table."""
    measured = dict(zip(("measured", "low", "high", "rows"), found, strict=True))
    return {
        "claim": claim,
        "where": where,
        "printed": known.get("printed"),
        "corrected": known.get("corrected"),
    } | measured


def start_across(row: pd.Series) -> float:
    """Return the length of the start of a row across the first axis."""
    with jax.enable_x64(True):
        key = realization_keys(model_of(row), np.uint32(row["seed"]), np.uint32(row["realization"])).init
        return float(np.linalg.norm(np.asarray(model_of(row).init(key, None).w)[1:]))


def first(time: Any, curve: Any, level: float) -> float:
    """Return when a curve first reaches a level, between recorded times; infinity if it never does."""
    time, curve = np.asarray(time, float), np.asarray(curve, float)
    above = np.flatnonzero(curve >= level)
    if not above.size:
        return np.inf
    after = above[0]
    if after == 0:
        return float(time[0])
    part = (level - curve[after - 1]) / (curve[after] - curve[after - 1])
    return float(time[after - 1] + part * (time[after] - time[after - 1]))


def mean_of(values: Any) -> tuple[float, float, float, int]:
    """Return a mean, its interval and how many it is of."""
    values = np.asarray(values, float)
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(values.size)
    return mean, mean - Z * error, mean + Z * error, values.size


def share_of(true: NDArray[np.bool_]) -> tuple[float, float, float, int]:
    """Return a share, Wilson's interval and how many it is of."""
    n, p = true.size, true.mean()
    centre, half = (
        (p + Z**2 / (2 * n)) / (1 + Z**2 / n),
        Z * np.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n),
    )
    return p, centre - half, centre + half, n


def median_of(values: Any) -> tuple[float, float, float, int]:
    """Return a median, its interval by order statistics and how many it is of."""
    values = np.sort(np.asarray(values, float))
    half = Z * np.sqrt(values.size) / 2
    low, high = (int(np.clip(values.size / 2 + sign * half, 0, values.size - 1)) for sign in (-1, 1))
    return float(np.median(values)), values[low], values[high], values.size


if __name__ == "__main__":
    main(*sys.argv[1:])
