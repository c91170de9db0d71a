"""The jobs of the trajectories: gradient flow and gradient descent."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks import dynamic_peers as peers
from benchmarks.hardware import hardware
from benchmarks.jobs import Effort, compared
from benchmarks.kernel import Trainings, solved, trainings
from benchmarks.reference import Path, Start, descent, flow
from benchmarks.table import Row
from benchmarks.timing import alternate
from sweepjax.models.logistic import Logistic
from sweepjax.solvers.gradient_descent import GradientDescent
from sweepjax.solvers.gradient_flow import GradientFlow
from sweepjax.sweep.times import recorded_times

N, D = 400, 192
RATE = 0.1
RECORDS = "201"  # t = 0 and 200 others
MODEL = Logistic(n=N, d=D)
LOOP = "PyTorch Linear, BCEWithLogitsLoss, SGD, one dataset at a time"


class Case(NamedTuple):
    """The draws of a job, their recorded times, where each begins, and the true paths of the first ones."""

    job: str
    batches: list[Trainings]
    times: np.ndarray
    starts: list[Start]
    known: list[Path]

    def solve(self) -> dict[str, np.ndarray]:
        """Return our columns of all draws."""
        return solved([call for batch in self.batches for call in batch.calls])


class Rival(NamedTuple):
    """A peer, what it should have found, its work and ours in the same unit, and by what factor ours should win."""

    name: str
    solve: Callable[[], list[Path]]
    known: list[Path]
    work: tuple[float, float]  # ours, the peer's
    at_least: float | None


def gradient_flow(effort: Effort) -> list[Row]:
    """Gradient flow: to 1e6 plain and stiff, then to 1e30, against SciPy; to 1e6 against the paper's loop, too."""
    plain, stiff, late = (_flows(effort, *point) for point in ((1.0, 1e6), (5.0, 1e6), (1.0, 1e30)))
    return [
        _against_scipy(plain, 10, effort),
        _against_diffrax(plain, effort),
        _against_scipy(_flows(effort, 1.0, 1e6, curves=True), None, effort),
        _flow_against_loop(plain, effort),
        _against_scipy(stiff, 10, effort),
        _against_diffrax(stiff, effort),
        _against_scipy(late, 10, effort),
        _against_diffrax(late, effort),
    ]


def gradient_descent(effort: Effort) -> list[Row]:
    """Gradient descent: step by step at two sizes, then along the flow that the steps follow."""
    return [*_walk(effort), _walk_of_2400(effort), _leap(effort)]


JOBS = {"gradient_flow": gradient_flow, "gradient_descent": gradient_descent}


def _flows(effort: Effort, sigma: float, until: float, *, curves: bool = False) -> Case:
    """Both sides record ‖S‖ and b at all times; with `curves`, ours its losses and accuracies besides."""
    times = np.array(recorded_times("time", until, RECORDS))
    models = [Logistic(n=N, d=d, sigma=sigma) for d in effort.pick((D, 240))]
    batches = [trainings(model, GradientFlow(), times, effort.count(32), curves=curves) for model in models]
    starts = [start for batch in batches for start in batch.starts()]
    known = [flow(start, times) for start in starts]
    more = ", and its losses and accuracies" if curves else ""
    return Case(f"gradient flow to t = {until:.0e}, n = {N}, σ = {sigma:g}{more}", batches, times, starts, known)


def _against_scipy(case: Case, at_least: float | None, effort: Effort) -> Row:
    pairs = zip(case.starts, case.known, strict=True)
    ways = [peers.solve_ivp(start, case.times, known, tolerance=1e-4) for start, known in pairs]
    draws = len(case.starts)

    def theirs() -> list[Path]:
        return [way.solve() for way in ways]

    rival = Rival("SciPy solve_ivp, its fastest method within 1e-4", theirs, case.known, (draws, draws), at_least)
    names = ", ".join(f"{name} {count}x" for name, count in Counter(way.method for way in ways).most_common())
    steps, evaluations = (case.solve()[name] for name in ("steps", "evaluations"))
    note = (
        f"ours takes {np.ma.median(steps):.0f} steps and {np.ma.median(evaluations):.0f} evaluations; SciPy's fastest"
    )
    row = _against(case, rival, effort.repetitions(7))
    share = 1e3 * hardware().reads(2 * float(np.mean(evaluations)), N, D) / row.ours
    return row._replace(share=share, note=f"{note}: {names}")


def _against_diffrax(case: Case, effort: Effort) -> Row:
    way = peers.diffrax_vmapped(case.starts, case.times, case.known, tolerance=1e-4)
    draws = len(case.starts)
    name = f"diffrax under vmap, float32, {way.method}"
    rival = Rival(name, way.solve, case.known, (draws, draws), 1.3)
    return _against(case, rival, effort.repetitions(5))


def _flow_against_loop(case: Case, effort: Effort) -> Row:
    steps, whole = 20 if effort.short else 2000, case.times[-1] / RATE
    starts = case.starts[:: len(case.starts) // len(case.batches)]  # one of each dimension
    known = [flow(start, np.array([0.0, RATE * steps])).at(-1) for start in starts]
    work = len(case.starts), len(starts) * steps / whole
    rival = Rival(f"{LOOP}, η = {RATE:g}", peers.loop(starts, RATE, steps), known, work, 1e4)
    return _extrapolated(_against(case, rival, effort.repetitions(5)), steps, whole)


def _walk(effort: Effort) -> list[Row]:
    """Every step, in microseconds a step and draw; the peers take fewer."""
    steps, looped, batched = (200, 20, 10) if effort.short else (20_000, 2000, 200)
    case = _descents(GradientDescent(learning_rate=RATE), steps, (looped, batched), effort.count(32))
    case = case._replace(known=[descent(start, case.times.astype(int), RATE) for start in case.starts[:4]])
    work, few, count = len(case.starts) * steps, case.starts[:2], len(case.starts)
    plain, rows = (solve(case.starts, RATE, batched) for solve in (peers.batched_loop, peers.batched_loop_of_rows))
    then, together = _at(case, batched), (work, count * batched)
    rivals = [
        Rival(LOOP, peers.loop(few, RATE, looped), _at(case, looped), (work, 2 * looped), 50),
        Rival(f"PyTorch bmm, {count} datasets at once, X S and Xᵀ p", plain, then, together, 5),
        Rival(f"PyTorch bmm, {count} datasets at once, Sᵀ Xᵀ and pᵀ X", rows, then, together, None),
    ]
    return [_in_microseconds(_against(case, rival, effort.repetitions(5))) for rival in rivals]


def _walk_of_2400(effort: Effort) -> Row:
    """Every step at the size at which the data no longer stay in the cache."""
    steps = 20 if effort.short else 500
    model = Logistic(n=2400, d=1110)
    case = _descents(GradientDescent(learning_rate=RATE), steps, (steps,), effort.count(4), model)
    case = case._replace(known=[descent(start, case.times.astype(int), RATE) for start in case.starts[:2]])
    work = len(case.starts) * steps, 2 * steps
    rival = Rival(LOOP, peers.loop(case.starts[:2], RATE, steps), _at(case, steps), work, 2)
    return _in_microseconds(_against(case, rival, effort.repetitions(5)), model)


def _leap(effort: Effort) -> Row:
    """A million steps of which most are skipped; the truth is what our own loop finds in float64."""
    whole, steps = (20_000, 20) if effort.short else (1_000_000, 2000)
    case = _descents(GradientDescent(learning_rate=RATE, mode="corrected"), whole, (steps,), effort.count(8))
    walked = _descents(GradientDescent(learning_rate=RATE), whole, (steps,), 2).solve()
    case = case._replace(known=[Path(*path) for path in zip(walked["s_norm"], walked["b"], strict=True)])
    work = len(case.starts), 2 * steps / whole
    rival = Rival(LOOP, peers.loop(case.starts[:2], RATE, steps), _at(case, steps), work, 1e3)
    row = _extrapolated(_against(case, rival, effort.repetitions(5)), steps, whole)
    taken = case.solve()["exact_steps"]
    return row._replace(
        job=f"{row.job}, corrected", note=f"ours takes {np.ma.median(taken):.0f} exact steps; {row.note}"
    )


def _descents(solver: GradientDescent, steps: int, others: Sequence[int], count: int, model: Logistic = MODEL) -> Case:
    times = np.union1d(recorded_times("step", steps, RECORDS), others)
    batch = trainings(model, solver, times, count)
    return Case(f"gradient descent, {steps} steps, n = {model.n}, d = {model.d}", [batch], times, batch.starts(), [])


def _against(case: Case, rival: Rival, repetitions: int) -> Row:
    pair = alternate(case.solve, rival.solve, repetitions).per(*rival.work)
    ours = pair.our_answer
    paths = [Path(*path) for path in zip(ours["s_norm"], ours["b"], strict=True)]
    return compared(case.job, pair, 1, rival.name, rival.at_least)._replace(
        error=_farthest(case.known, paths),
        their_error=_farthest(rival.known, pair.their_answer),
        uncertified=int(np.sum(~ours["converged"] if "converged" in ours else ours["diverged"])),
        draws=len(case.starts),
    )


def _farthest(known: list[Path], found: list[Path]) -> float:
    return max(true.error(path) for true, path in zip(known, found, strict=False))


def _at(case: Case, step: int) -> list[Path]:
    return [path.at(int(np.searchsorted(case.times, step))) for path in case.known]


def _extrapolated(row: Row, steps: int, whole: float) -> Row:
    return row._replace(note=f"the loop: {steps} steps timed, as if {whole:.0e}; its error is that after {steps}")


def _in_microseconds(row: Row, model: Logistic = MODEL) -> Row:
    bandwidth = 2 * 4 * model.n * model.d / row.ours / 1e6  # of two passes over the data in float32
    ours, theirs, share = 1e3 * row.ours, 1e3 * row.theirs, 1e3 * hardware().reads(2, model.n, model.d) / row.ours
    note = f"ours reads {bandwidth:.0f} GB/s"
    return row._replace(ours=ours, theirs=theirs, unit="µs a step", share=share, note=note)
