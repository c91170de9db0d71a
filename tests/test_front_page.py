"""Ten numbers of the front page of results/, computed again from its tables with NumPy alone.

They are the first ten measured ones in the order of `np.random.default_rng(20).permutation` of all that it says.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

RESULTS = Path(__file__).parent.parent / "results"
PAGE = (RESULTS / "README.md").read_text(encoding="utf-8")


def lines(path, **where):
    """The lines of a table in which some columns hold some values, numbers or texts."""
    with (RESULTS / path).open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    found = [line for line in table if all(same(line[name], value) for name, value in where.items())]
    assert found, f"no such line in {path}"
    return found


def same(text, value):
    return text == value if isinstance(value, str) else bool(np.isclose(float(text), value))


def number(path, *columns, **where):
    """Some columns of the only line of a table with some values."""
    (line,) = lines(path, **where)
    return [float(line[name]) for name in columns]


def slings(precision):
    """How many draws without decay have a slingshot, and how many there are; two draws a line."""
    table = lines("transformer_slingshots/slingshots.csv", precision=precision, weight_decay=0.0)
    assert {int(line["draws"]) for line in table} == {2}
    slung = sum((float(line["fewest"]) > 0) + int(float(line["most"]) > 0) for line in table)
    return slung, 2 * len(table)


def chi_square(*paths):
    """χ² of separable draws against Wendel's law; bins with fewer than five expected of a kind are pooled by side."""
    names = ("rows", "separable", "wendel")
    rows, separable, law = np.array([[float(line[name]) for name in names] for path in paths for line in lines(path)]).T
    rare = rows * np.minimum(law, 1 - law) < 5
    groups = [[place] for place in np.flatnonzero(~rare)]
    groups += [list(np.flatnonzero(rare & side)) for side in (law < 0.5, law >= 0.5)]
    terms, used = [], 0
    for group in groups:
        expected, variance = (rows * law)[group].sum(), (rows * law * (1 - law))[group].sum()
        if min(expected, rows[group].sum() - expected) >= 5:
            terms.append((separable[group].sum() - expected) ** 2 / variance)
            used += int(rows[group].sum())
    return sum(terms), len(terms), used, int(rows.sum())


def test_grokking_comes_17_times_as_late_as_memorising():
    cell = {"init_scale": 4.0, "l2": 0.001}
    (memorised,) = number("relu_modular_small/phases.csv", "t2", **cell)
    (grokked,) = number("relu_modular_small/phases_50.csv", "t4", **cell)
    assert f"50 % of fresh pairs come {grokked / memorised:.0f} times as late" in PAGE


def test_slingshots_are_counted():
    (single, of), (double, also) = slings("float32"), slings("float64")
    assert f"{single} of {of} draws, and {double} of {also} in float64" in PAGE


@pytest.mark.parametrize(("signal", "said"), [("train_loss", "the loss itself has"), ("weight_decay", "weight decay")])
def test_areas_under_the_curve(signal, said):
    columns = ("auc", "auc_low", "auc_high")
    area, low, high = number("early_prediction/predictor.csv", *columns, signal=signal, within="learning_rate")
    assert f"{said} {area:.2f} [{low:.2f}, {high:.2f}]" in PAGE


def test_the_positive_fraction_at_the_edge():
    mean, se = number("s_statistics/mean.csv", "mean", "se", column="positive_fraction", lam=0.49625)
    assert f"{mean:.4f} ± {se:.4f} at λ = 0.49625" in PAGE


def test_the_barrier_and_the_modes_of_a_path():
    columns, table = ("mean", "low", "high"), "modular_landscape/landscape.csv"
    barrier = number(table, *columns, quantity="top over the larger end")
    assert "{:.0f}-fold [{:.0f}, {:.0f}]".format(*barrier) in PAGE
    share = np.multiply(100, number(table, *columns, quantity="share of modes, mean_2"))
    assert "{:.1f} % [{:.1f}, {:.1f}] about its mean".format(*share) in PAGE


def test_separable_draws_against_wendel():
    square, bins, used, rows = chi_square("s_statistics/separable_fraction.csv", "margins/separable_fraction.csv")
    assert f"{square:.1f} in {bins} at N = 2400" in PAGE
    assert f"{used:,} of {rows:,}" in PAGE


def test_decay_times_time():
    where = {"alpha": 2.0}
    times = [number("teacher_student/phases.csv", "t4", weight_decay=decay, **where)[0] for decay in (0.03, 0.05, 1)]
    products = np.multiply(times, (0.03, 0.05, 1))
    assert "decay × time is {:.0f}, {:.0f} and {:.0f}".format(*products) in PAGE


def test_balls_in_ten_dimensions():
    mean, se = number("ball_share/mean.csv", "mean", "se", column="generalizes", d=10.0)
    assert f"{mean:.4f} ± {se:.4f} at 10" in PAGE
