"""`sj.limit` as a statistician calls it: does the estimate of a logistic regression of these labels exist?"""

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import highspy
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import sweepjax as sj
from benchmarks import peers
from benchmarks.jobs import Effort, compared
from benchmarks.reference import margin_goal, minimum_goal
from benchmarks.table import Row
from benchmarks.timing import alternate, limited, seconds

N, AT_LEAST, BELIEVED = 400, 50, 1e-4
PLACES = {"far below": (120, 160), "below": (180, 192), "above": (208, 220), "far above": (240, 280)}
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
    def signed(self) -> np.ndarray:
        """The rows z_i: x_i, of the larger label -x_i."""
        return np.where(self.y == 1, -1, 1)[..., None] * self.x


def limit_of_data(effort: Effort) -> list[Row]:
    """Gaussian points with the labels of a fair coin, on either side of d = n/2: one dataset a call, and many."""
    rows, drawing = [], np.random.default_rng(0)
    for place, dimensions in PLACES.items():
        count = effort.count(8)
        shapes = [(count, N, d) for d in effort.pick(dimensions)]
        data = [Labelled(drawing.standard_normal(shape), drawing.integers(0, 2, shape[:2])) for shape in shapes]
        rows += _rows(f"{place}, d = {' and '.join(str(shape[2]) for shape in shapes)}", data, effort)
    return rows


JOBS = {"limit_of_data": limit_of_data}


def _rows(place: str, data: list[Labelled], effort: Effort) -> list[Row]:
    separable = [truth for each in data for truth in sj.limit(*each)["separable"]]
    rivals = {name: _decided(data, separable, partial(_programs, forms)) for name, forms in FORMS.items()}
    rivals["scikit-learn LogisticRegression without penalty, the fastest right one"] = _decided(data, separable, _fits)
    rivals["scikit-learn SVC where separable, PoissonRegressor where not: the same number"] = _numbers(data, separable)
    ways = {"one a call": _each, f"{len(data[0].x)} a call": _together}
    return [
        _against(f"sj.limit, n = {N}, {place}, {way}", partial(ours, data), (name, theirs), effort)
        for way, ours in ways.items()
        for name, theirs in rivals.items()
    ]


def _against(job: str, ours: Callable[[], list[bool]], rival: tuple[str, Callable], effort: Effort) -> Row:
    pair = alternate(ours, rival[1], effort.repetitions(5))
    row = compared(job, pair, len(pair.our_answer), rival[0], AT_LEAST)
    wrong = sum(a != b for a, b in zip(pair.our_answer, pair.their_answer, strict=True))
    return row._replace(uncertified=_uncertified(), note=f"the peer decides {wrong} otherwise" if wrong else "")


def _each(data: list[Labelled]) -> list[bool]:
    return _noted([sj.limit(x, y) for each in data for x, y in zip(*each, strict=True)])


def _together(data: list[Labelled]) -> list[bool]:
    return _noted([row for each in data for _, row in sj.limit(*each).iterrows()])


_last: list[Any] = []


def _noted(rows: list[Any]) -> list[bool]:
    _last[:] = rows
    return [bool(row["separable"]) for row in rows]


def _uncertified() -> int:
    return sum(not row["certified"] for row in _last)


def _decided(
    data: list[Labelled], separable: list[bool], ways: Callable[[np.ndarray, np.ndarray, np.ndarray], Iterable[Decide]]
) -> Callable[[], list[bool]]:
    """Return the fastest way to the right answer for each dataset, looked up untimed; the first if none is right."""
    sets = [one for each in data for one in zip(each.x, each.y, each.signed, strict=True)]
    with limited(torch.get_num_threads()):
        best = [_fastest(list(ways(*one)), bool(truth)) for one, truth in zip(sets, separable, strict=True)]

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


def _numbers(data: list[Labelled], separable: list[bool]) -> Callable[[], list[bool]]:
    """Return margins by SVC and minima by PoissonRegressor, to 5e-5 and 1e-4; which of the two is known beforehand."""
    sets = [z for each in data for z in each.signed]
    with limited(torch.get_num_threads()):
        solves = [
            peers.svc(z, margin_goal(z)._replace(tolerance=5e-5))
            if truth
            else peers.poisson(z, minimum_goal(z)._replace(tolerance=1e-4))
            for z, truth in zip(sets, separable, strict=True)
        ]

    def solve() -> list[bool]:
        with limited(torch.get_num_threads()):
            for each in solves:
                each()
        return [bool(truth) for truth in separable]

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
