"""The jobs: each returns its rows of the table."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import peers
from benchmarks.counting import products
from benchmarks.hardware import hardware
from benchmarks.kernel import ENGINE, Batch, Call, batch, solved
from benchmarks.memory import CHUNK_ROWS, peak
from benchmarks.reference import Goal, margin_goal, minimum_goal
from benchmarks.table import Row
from benchmarks.timing import Pair, alternate, limited
from sweepjax.engine.programs import Program
from sweepjax.engine.sizes import default_chunk_rows
from sweepjax.engine.slots import queue_of
from sweepjax.engine.widths import rows_of
from sweepjax.keys import realization_keys
from sweepjax.run import fill, open_store, share
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Columns

Peer = Callable[[list[np.ndarray], list[Goal]], peers.SolveAll]

RATES = f"best rate of {', '.join(f'{rate:g}' for rate in peers.ADAM_RATES)}"
SVC = "C=1e10, tol for 5e-5 (float32 kernel), ≤ 500 000 steps"
LINEAR_SVC = "C=1e6, tol for 1e-6, ≤ 20 000 epochs"


class Effort(NamedTuple):
    """How much to do: draws a dimension (0: each job's own number), or the least that shows that all runs."""

    draws: int = 0
    short: bool = False

    def pick(self, dimensions: tuple[int, ...]) -> tuple[int, ...]:
        """The dimensions to visit."""
        return dimensions[:1] if self.short else dimensions

    def count(self, usual: int) -> int:
        """Draws of each dimension."""
        return self.draws or (2 if self.short else usual)

    def repetitions(self, usual: int) -> int:
        """Pairs of timings."""
        return 1 if self.short else usual


def each(peer: Callable[[np.ndarray, Goal], peers.Solve]) -> Peer:
    """Return a peer that solves one dataset after the other."""
    return partial(peers.one_by_one, peer)


class Case(NamedTuple):
    """The draws of a job and the column compared with their true values."""

    job: str
    batches: list[Batch]
    column: str
    draws: list[np.ndarray]
    goals: list[Goal]


class Match(NamedTuple):
    """A peer, how it is named in the table, how far it has to go, and by what factor ours should win."""

    peer: Peer
    name: str
    tolerance: float
    at_least: float | None


def s_norm_400(effort: Effort) -> list[Row]:
    """S_∞ from easy to near-critical at n = 400."""
    batches = [batch(400, d, effort.count(32), separable=False) for d in effort.pick((160, 168, 180, 188, 192))]
    case = _case("s_norm, n = 400", batches, "s_norm", minimum_goal)
    rivals = [
        (Match(each(peers.adam), f"PyTorch Adam, {RATES}, cut at 1e-4", 1e-4, 50), 5),
        (Match(peers.naive, f"jit(vmap(scan)) with optax Adam, {RATES}, cut at 1e-4", 1e-4, 5), 3),
        (Match(each(peers.lbfgs), "SciPy L-BFGS-B float64, cut at 1e-4", 1e-4, 5), 9),
        (Match(each(peers.newton), "NumPy damped Newton float64, with certificate", 1e-6, 3), 7),
        (Match(each(peers.poisson), "scikit-learn PoissonRegressor newton-cholesky, tol for 1e-4", 1e-4, None), 3),
    ]
    return [_against(case, match, effort.repetitions(usual)) for match, usual in rivals]


def s_norm_2400(effort: Effort) -> list[Row]:
    """S_∞ at the size of the paper's large experiment, away from the transition and near it."""
    away = [batch(2400, d, effort.count(16), separable=False) for d in effort.pick((930, 1050, 1110))]
    near = [batch(2400, d, effort.count(16), separable=False) for d in effort.pick((1173, 1182, 1191))]
    newton = each(peers.newton), "NumPy damped Newton float64, with certificate", 1e-6, 5
    away_from = [
        Match(each(peers.adam), f"PyTorch Adam, {RATES}, cut at 1e-4", 1e-4, 2),
        Match(each(peers.lbfgs), "SciPy L-BFGS-B float64, cut at 1e-4", 1e-4, 6),
        Match(*newton),
        Match(each(peers.newton_cut), "NumPy damped Newton float64, cut at 1e-4", 1e-4, None),
    ]
    case = _case("s_norm, n = 2400, d = 930 to 1110", away, "s_norm", minimum_goal)
    rows = [_against(case, match, effort.repetitions(3)) for match in away_from]
    case = _case("s_norm, n = 2400, d = 1173 to 1191", near, "s_norm", minimum_goal)
    return [*rows, _against(case, Match(*newton), effort.repetitions(3))]


def margin_400(effort: Effort) -> list[Row]:
    """The hard margin at n = 400, well above the transition and near it; few draws where a peer takes long."""
    few, many = effort.count(4), effort.count(16)
    matches = [
        (Match(each(peers.svc), f"scikit-learn SVC, {SVC}", 5e-5, 100), few, 3),
        (Match(each(peers.linear_svc), f"scikit-learn LinearSVC hinge, {LINEAR_SVC}", 1e-6, None), few, 3),
        (Match(each(peers.clarabel_qp), "Clarabel QP, tol for 1e-6", 1e-6, 100), many, 3),
        (Match(each(peers.highs_qp), f"HiGHS QP, at most {peers.HIGHS_SECONDS:.0f} s a draw", 5e-5, None), few, 3),
        (Match(each(peers.nnls), "SciPy nnls", 1e-6, 5), many, 7),
    ]
    rows = []
    for name, dimensions in (("d = 240 to 320", effort.pick((240, 280, 320))), ("d = 208", (208,))):
        known = {count: _margins(f"margin, n = 400, {name}", dimensions, count) for count in {few, many}}
        rows += [_against(known[count], match, effort.repetitions(usual)) for match, count, usual in matches]
    return rows


def _margins(job: str, dimensions: tuple[int, ...], count: int) -> Case:
    return _case(job, [batch(400, d, count, separable=True) for d in dimensions], "margin", margin_goal)


def margin_2400(effort: Effort) -> list[Row]:
    """The hard margin at the size of the paper's large experiment."""
    batches = [batch(2400, d, effort.count(2), separable=True) for d in effort.pick((1290, 1380, 1500))]
    case = _case("margin, n = 2400, d = 1290 to 1500", batches, "margin", margin_goal)
    return [_against(case, Match(each(peers.nnls), "SciPy nnls", 1e-6, 15), effort.repetitions(2))]


def whole_run(effort: Effort) -> list[Row]:
    """Draws, kernel, host work and store together, against the compiled programs alone; then compilation."""
    lam = "0.42" if effort.short else "0.42,0.48,0.55"
    sweep = Sweep().replaced(n=400, lam=lam, realizations=effort.draws or (8 if effort.short else 512))
    compiling = [_compilation(family) for family in sweep.families()]
    calls = [call for chunk in sweep.chunks(default_chunk_rows(sweep)) for call in _batches(chunk)]
    pair = alternate(partial(_run, sweep), partial(solved, calls), effort.repetitions(7))
    row = compared(
        "whole run, n = 400", pair, sweep.rows_total, "the bare compiled programs on the same chunks", 1 / 1.15
    )
    note = f"compilation apart: {statistics.mean(compiling):.1f} s a shape"
    return [row._replace(uncertified=pair.our_answer, note=note)]


def memory(effort: Effort) -> list[Row]:
    """The peak of a run against that of an eighth of it."""
    rows = 2 * CHUNK_ROWS if effort.short else 4 * CHUNK_ROWS
    name, peer = "peak memory of a run", f"the same with {rows} realizations"
    peak(rows)  # compiles; from here on both read the compiled program from disk
    pair = Pair([peak(8 * rows)], [peak(rows)], None, None)
    row = compared(name, pair, 8 * rows, peer, 0.95)
    note = f"growth {pair.ours[0] / pair.theirs[0] - 1:+.1%}"
    return [row._replace(ours=pair.ours[0], theirs=pair.theirs[0], unit="MiB", note=note)]


JOBS = {
    "s_norm_400": s_norm_400,
    "s_norm_2400": s_norm_2400,
    "margin_400": margin_400,
    "margin_2400": margin_2400,
    "whole_run": whole_run,
    "memory": memory,
}


def _case(job: str, batches: list[Batch], column: str, goal: Callable[[np.ndarray], Goal]) -> Case:
    draws = [np.asarray(x, dtype=np.float64) for batch in batches for x in batch.x]
    return Case(job, batches, column, draws, [goal(x) for x in draws])


def _against(case: Case, match: Match, repetitions: int) -> Row:
    """Our kernel against one peer on the same draws; drawing them is in neither side's time."""
    goals = [goal._replace(tolerance=match.tolerance) for goal in case.goals]
    with limited(len(ENGINE.devices)):
        solve = match.peer(case.draws, goals)

    def ours() -> dict[str, np.ndarray]:
        return solved([call for batch in case.batches for call in batch.calls])

    def theirs() -> list[np.ndarray]:
        with limited(len(ENGINE.devices)):
            return solve()

    pair = alternate(ours, theirs, repetitions)
    # Masked, that is decided the other way than when it was drawn: nan.
    found = np.ma.filled(pair.our_answer[case.column], np.nan) / [goal.value for goal in goals]
    theirs_off = max(goal.error(answer) for goal, answer in zip(goals, pair.their_answer, strict=True))
    return compared(case.job, pair, len(goals), match.name, match.at_least)._replace(
        share=_share(case, pair.medians[0]),
        error=float(np.max(np.abs(found - 1))),
        their_error=theirs_off,
        uncertified=int(np.sum(~pair.our_answer["certified"])),
        note="the peer stops short" if theirs_off > match.tolerance else "",
    )


def _share(case: Case, seconds: float) -> float | None:
    """Return how much of our time on minima is their Gram matrices and factors at the machine's best rates."""
    if case.column == "s_norm":
        return sum(hardware().minimum(*x.shape) for x in case.draws) / seconds
    return None


def compared(job: str, pair: Pair, draws: int, peer: str, at_least: float | None) -> Row:
    """Return the line of a pair: milliseconds a draw, and the ratio of each repetition."""
    ours, theirs = (1e3 * median / draws for median in pair.medians)
    ratios = min(pair.ratios), statistics.median(pair.ratios), max(pair.ratios)
    return Row(job, ours, peer, theirs, *ratios, at_least, draws=draws, repetitions=len(pair.ours))


def product_share(model: Any, count: int, steps: int, seconds: float) -> float:
    """Return how much of our time the products of so many trainings' gradients take at the machine's best rate."""
    with jax.enable_x64(True):
        keys = realization_keys(model, np.uint32(0), np.uint32(0))
        data = jax.eval_shape(model.sample, keys.data)
        start = jax.eval_shape(model.init, keys.init, data)
        flops = products(jax.grad(model.training_loss), start, data)
    return count * steps * flops / hardware().product_float32 / seconds


def _run(sweep: Sweep) -> int:
    with TemporaryDirectory() as out:
        store = open_store(sweep, out, engine=ENGINE)
        fill(store, share(sweep, store.chunk_rows), engine=ENGINE, watch=lambda what, rows: None)
        certified = store.dataset().to_table(columns=["certified"])["certified"].to_numpy()
    return int(np.sum(~certified))


def _batches(chunk: Any) -> list[Call]:
    """Return the calls of the compiled program that compute a chunk."""
    program, rows = ENGINE.program(chunk.family), ENGINE.shape(chunk.family).rows
    numbers = (np.arange(start, min(start + rows, chunk.stop)) for start in range(chunk.start, chunk.stop, rows))
    return [(partial(_called, program), (len(some), rows_of(chunk.family, np.resize(some, rows)))) for some in numbers]


def _called(program: Program, count: int, rows: Any) -> Columns:
    """Let the first `count` rows of a call go through an empty pool."""
    _, left = program.run(program.start(), queue_of(np.arange(program.shape.rows), rows, count))
    return jax.tree.map(lambda leaf: leaf[:count], left.columns.info)


def _compilation(family: Any) -> float:
    start = time.perf_counter()
    ENGINE.program(family)
    return time.perf_counter() - start
