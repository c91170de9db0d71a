"""`sj.limit` as a statistician calls it: does the estimate of a logistic regression of these labels exist?"""

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import highspy
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression

import sweepjax as sj
from benchmarks import peers
from benchmarks.jobs import Effort, compared
from benchmarks.reference import margin_goal, minimum_goal
from benchmarks.table import Row
from benchmarks.timing import alternate, limited, seconds

N, AT_LEAST, BELIEVED = 400, 50, 1e-4
DIMENSIONS, FEW = (160, 192, 240), 3  # the peers solve the first few datasets of each
FORMS = {
    "an LP per fit, HiGHS: w with z·w ≥ 1, or 0 in the hull": ("direction", "hull"),
    "detectseparation's LP (Konis), by HiGHS: test or find": ("test", "find"),
}
SETTINGS = ({}, {"presolve": "off"}, {"simplex_strategy": 4})  # the last is the primal simplex method
FITS = [{"solver": solver, "tol": tol} for solver in ("lbfgs", "newton-cholesky") for tol in (1e-4, 1e-8)]

Decide = Callable[[], bool]


class Labelled(NamedTuple):
    """Datasets x [r n d] of float64 with their labels y [r n]."""

    x: np.ndarray
    y: np.ndarray

    @property
    def few(self) -> "Labelled":
        """The first few of them."""
        return Labelled(self.x[:FEW], self.y[:FEW])

    @property
    def signed(self) -> np.ndarray:
        """The rows z_i: x_i, of the larger label -x_i."""
        return np.where(self.y == 1, -1, 1)[..., None] * self.x


def limit_of_data(effort: Effort) -> list[Row]:
    """Gaussian points with the labels of a fair coin, on either side of d = n/2: one dataset a call, and many."""
    count, drawing = effort.count(16), np.random.default_rng(0)
    shapes = [(count, N, d) for d in effort.pick(DIMENSIONS)]
    drawn = (Labelled(drawing.standard_normal(shape), drawing.integers(0, 2, shape[:2])) for shape in shapes)
    return [row for data in drawn for row in _rows(data, effort)]


JOBS = {"limit_of_data": limit_of_data}


def _rows(data: Labelled, effort: Effort) -> list[Row]:
    few, separable = data.few, sj.limit(*data)["separable"].tolist()
    rivals = {name: _decided(few, separable, partial(_programs, forms)) for name, forms in FORMS.items()}
    rivals["scikit-learn LogisticRegression without penalty, the fastest right one"] = _decided(few, separable, _fits)
    rivals["scikit-learn SVC where separable, PoissonRegressor where not: the same number"] = _numbers(few, separable)
    ways = {"one a call": partial(_each, few), f"{len(data.x)} a call": partial(sj.limit, *data)}
    job = f"sj.limit, n = {N}, d = {data.x.shape[2]}, {sum(separable)} of {len(separable)} separable"
    return [_against(f"{job}, {way}", ours, rival, effort) for way, ours in ways.items() for rival in rivals.items()]


def _against(job: str, ours: Callable[[], pd.DataFrame], rival: tuple[str, Callable], effort: Effort) -> Row:
    pair = alternate(ours, rival[1], effort.repetitions(5))
    found, theirs = pair.our_answer, pair.their_answer
    wrong = sum(a != b for a, b in zip(found["separable"], theirs, strict=False))
    row = compared(job, pair.per(len(found), len(theirs)), 1, rival[0], AT_LEAST)
    note = f"the peer decides {wrong} of {len(theirs)} otherwise" if wrong else ""
    return row._replace(uncertified=int(np.sum(~found["certified"].astype(bool))), draws=len(found), note=note)


def _each(data: Labelled) -> pd.DataFrame:
    return pd.DataFrame([sj.limit(x, y) for x, y in zip(*data, strict=True)])


def _decided(
    data: Labelled, separable: list[bool], ways: Callable[[np.ndarray, np.ndarray, np.ndarray], Iterable[Decide]]
) -> Callable[[], list[bool]]:
    """Return the fastest way to the right answer for each dataset, looked up untimed; the first if none is right."""
    sets = zip(data.x, data.y, data.signed, strict=True)
    with limited(torch.get_num_threads()):
        best = [_fastest(list(ways(*one)), truth) for one, truth in zip(sets, separable, strict=False)]

    def solve() -> list[bool]:
        with limited(torch.get_num_threads()):
            return [decide() for decide in best]

    return solve


def _fastest(ways: list[Decide], truth: bool) -> Decide:
    right = [decide for decide in ways if decide() == truth]
    return min(right, key=lambda decide: min(seconds(decide, settle=0) for _ in range(2)), default=ways[0])


def _fits(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Iterable[Decide]:
    return [partial(_fit, x, y, options) for options in FITS]


def _fit(x: np.ndarray, y: np.ndarray, options: dict[str, Any]) -> bool:
    """Fit without a penalty, and see whether every sample is on the side of its label."""
    with warnings.catch_warnings(action="ignore"):  # fits of separable data diverge
        machine = LogisticRegression(C=np.inf, fit_intercept=False, max_iter=2000, **options).fit(x, y)
    return bool(np.all(machine.predict(x) == y))


def _numbers(data: Labelled, separable: list[bool]) -> Callable[[], list[bool]]:
    """Return margins by SVC and minima by PoissonRegressor, to 5e-5 and 1e-4; which of the two is known beforehand."""
    with limited(torch.get_num_threads()):
        solves = [
            peers.svc(z, margin_goal(z)._replace(tolerance=5e-5))
            if truth
            else peers.poisson(z, minimum_goal(z)._replace(tolerance=1e-4))
            for z, truth in zip(data.signed, separable, strict=False)
        ]

    def solve() -> list[bool]:
        with limited(torch.get_num_threads()):
            for each in solves:
                each()
        return separable[: len(solves)]

    return solve


def _programs(forms: tuple[str, ...], x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Iterable[Decide]:
    models = {form: _model(form, z) for form in forms}
    return [partial(_linear_program, models[form], form, setting) for form in forms for setting in SETTINGS]


def _linear_program(model: highspy.HighsModel, form: str, setting: dict[str, Any]) -> bool:
    """Solve a linear program, and read from it whether the data are separable."""
    solver = highspy.Highs()
    for name, value in {"output_flag": False, "threads": torch.get_num_threads(), **setting}.items():
        solver.setOptionValue(name, value)
    solver.passModel(model)
    solver.run()
    status, is_a = solver.getModelStatus(), highspy.HighsModelStatus
    if form == "find":
        return bool(np.max(np.abs(solver.getSolution().col_value)) > BELIEVED)
    if form == "test":
        return status in (is_a.kUnbounded, is_a.kUnboundedOrInfeasible)
    return status == (is_a.kOptimal if form == "direction" else is_a.kInfeasible)


def _model(form: str, z: np.ndarray) -> highspy.HighsModel:
    """Return a linear program for the rows z_i [n d].

    "direction": any w with z_i·w ≥ 1. "hull": weights a ≥ 0 of sum 1 with Σ a_i z_i = 0. "test" and "find": the largest
    Σ z_i·w with z_i·w ≥ 0, which is unbounded, or with |w_j| ≤ 1 not zero, if the data are separable.

    Source:
        Konis (2007), DPhil thesis, Oxford, chapter 4, which the R package detectseparation follows.
    """
    n, d = z.shape
    if form == "hull":
        total = np.append(np.zeros(d), 1.0)
        return _dense(np.vstack([z.T, np.ones(n)]), np.zeros(n), (np.zeros(n), np.full(n, np.inf)), (total, total))
    box = np.full(d, 1.0 if form == "find" else np.inf)
    least = np.full(n, 1.0 if form == "direction" else 0.0)
    cost = np.zeros(d) if form == "direction" else -z.sum(axis=0)
    return _dense(z, cost, (-box, box), (least, np.full(n, np.inf)))


def _dense(matrix: np.ndarray, cost: np.ndarray, columns: tuple[Any, Any], rows: tuple[Any, Any]) -> highspy.HighsModel:
    model = highspy.HighsModel()
    lp, entries = model.lp_, model.lp_.a_matrix_
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_, (lp.col_lower_, lp.col_upper_), (lp.row_lower_, lp.row_upper_) = cost, columns, rows
    entries.format_ = highspy.MatrixFormat.kRowwise
    entries.start_ = lp.num_col_ * np.arange(lp.num_row_ + 1)
    entries.index_, entries.value_ = np.tile(np.arange(lp.num_col_), lp.num_row_), matrix.ravel()
    return model
