"""The peers of the trajectories: integrators for the flow, PyTorch's loops for the descent.

As with the other peers, knobs are tuned untimed for each draw against the known answer, and data are
converted before the clock starts. Here the number of threads is a knob, too, as the work of one step is
small: one, or as many as we have devices.
"""

import math
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import BCEWithLogitsLoss, Linear

from benchmarks.kernel import ENGINE
from benchmarks.reference import Path, Start, flow
from benchmarks.timing import limited

METHODS = ("RK45", "DOP853", "LSODA", "BDF", "Radau")
RELATIVE, ABSOLUTE = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6), (0.1, 0.01)  # the second in units of the first
RUNGE_KUTTA, LOOSER = (diffrax.Tsit5, diffrax.Dopri5), (1e-2, 3e-3)
TRIAL = 20  # steps of a loop to choose its threads by


Descend = Callable[[], list[Path]]


class Integration(NamedTuple):
    """One way to integrate a flow, its method's name, and the seconds it took when it was tried."""

    method: str
    solve: Callable[[], Path]
    seconds: float


def solve_ivp(start: Start, times: np.ndarray, known: Path, tolerance: float) -> Integration:
    """SciPy's solve_ivp in log(1 + t): of every method's loosest tolerances that are good enough, the fastest."""
    ladders = [(method, share) for method in METHODS for share in ABSOLUTE]
    ways = sorted((_loosest(start, times, ladder, known, tolerance) for ladder in ladders), key=lambda way: way.seconds)
    again = [
        way._replace(solve=partial(_with_threads, threads, way.solve)) for way in ways[:3] for threads in _threads()
    ]
    return min(again, key=lambda way: _seconds(way.solve))


class Batched(NamedTuple):
    """A way to integrate all flows at once, and its name."""

    method: str
    solve: Descend


def diffrax_vmapped(starts: list[Start], times: np.ndarray, known: list[Path], tolerance: float) -> Batched:
    """diffrax under `vmap` in log(1 + t) and float32, draws of a shape at once: the fastest of what is good enough."""
    ways = [_loosest_batched(starts, times, method, known, tolerance) for method in RUNGE_KUTTA]
    return min(ways, key=lambda way: _seconds(way.solve))


def _loosest_batched(
    starts: list[Start], times: np.ndarray, method: type, known: list[Path], tolerance: float
) -> Batched:
    shapes = sorted({start.rows.shape for start in starts}, key=[start.rows.shape for start in starts].index)
    groups = [
        [np.stack(p) for p in zip(*(s for s in starts if s.rows.shape == shape), strict=True)] for shape in shapes
    ]
    data = [tuple(jnp.asarray(part, dtype=jnp.float32) for part in group) for group in groups]
    for rtol in RELATIVE:
        flows = [_diffrax_flow(jnp.log1p(jnp.asarray(times)), method, rtol).lower(*group).compile() for group in data]

        def solve(flows: list[Any] = flows) -> list[Path]:
            norms = [np.asarray(flow(*group)) for flow, group in zip(flows, data, strict=True)]
            return [Path(*path) for group in norms for path in group]

        if max(true.error(found) for true, found in zip(known, solve(), strict=True)) <= tolerance:
            break
    return Batched(f"{method.__name__}, rtol {rtol:g}", solve)


def _diffrax_flow(positions: Any, method: type, rtol: float) -> Any:
    def integrate(rows: jax.Array, start: jax.Array) -> jax.Array:
        def slope(s: Any, y: Any, _: None) -> Any:
            return -(jnp.exp(s + jax.nn.log_sigmoid(rows @ y)) @ rows) / len(rows)

        control = diffrax.PIDController(rtol=rtol, atol=0.01 * rtol, pcoeff=0.3, icoeff=0.4)
        ends = positions[0], positions[-1], 1e-3
        options = {"saveat": diffrax.SaveAt(ts=positions), "stepsize_controller": control, "max_steps": 100_000}
        found = diffrax.diffeqsolve(diffrax.ODETerm(slope), method(), *ends, start, **options).ys
        return jnp.stack([jnp.linalg.norm(found[:, :-1], axis=1), found[:, -1]])

    return jax.jit(jax.vmap(integrate))


def loop(starts: list[Start], rate: float, steps: int) -> Descend:
    """The paper's loop, one dataset after the other: a linear layer, its loss and SGD on all samples, in float32."""
    return _quickest(lambda steps: [_descended(start, rate, steps) for start in starts], steps)


def batched_loop(starts: list[Start], rate: float, steps: int) -> Descend:
    """The same by hand for all datasets at once, without autograd, as it is written down: X S, then Xᵀ p."""
    x, start = _stacked(starts)

    @torch.no_grad()
    def descend(steps: int) -> list[Path]:
        s, b = start[:, :-1, None].clone(), start[:, -1:, None].clone()
        for _ in range(steps):
            p = torch.baddbmm(b, x, s).sigmoid_().mul_(rate / x.shape[1])
            s -= torch.bmm(x.mT, p)
            b -= p.sum(1, keepdim=True)
        return _ends(s, b)

    return _quickest(descend, steps)


def batched_loop_of_rows(starts: list[Start], rate: float, steps: int) -> Descend:
    """The same as rows times matrices, Sᵀ Xᵀ, then pᵀ X: the fastest of five ways to write it."""
    x, start = _stacked(starts)

    @torch.no_grad()
    def descend(steps: int) -> list[Path]:
        s, b = start[:, None, :-1].clone(), start[:, None, -1:].clone()
        for _ in range(steps):
            p = torch.baddbmm(b, s, x.mT).sigmoid_().mul_(rate / x.shape[1])
            s -= torch.bmm(p, x)
            b -= p.sum(2, keepdim=True)
        return _ends(s, b)

    return _quickest(descend, steps)


def _stacked(starts: list[Start]) -> tuple[torch.Tensor, torch.Tensor]:
    rows, y = (torch.from_numpy(np.stack(part).astype(np.float32)) for part in zip(*starts, strict=True))
    return rows[..., :-1].contiguous(), y


def _ends(s: torch.Tensor, b: torch.Tensor) -> list[Path]:
    return [Path(*found) for found in zip(s.flatten(1).norm(dim=1).numpy(), b.flatten().numpy(), strict=True)]


def _loosest(start: Start, times: np.ndarray, ladder: tuple[str, float], known: Path, tolerance: float) -> Integration:
    """Return the loosest setting of a method that is within the tolerance; the last one if none is."""
    method, share = ladder
    for rtol in RELATIVE:
        solve = partial(flow, start, times, method, rtol, share * rtol)
        began = timeit.default_timer()
        found = _with_threads(1, solve)
        way = Integration(method, solve, timeit.default_timer() - began)
        if known.error(found) <= tolerance:
            return way
    return way._replace(seconds=math.inf)


def _quickest(descend: Callable[[int], list[Path]], steps: int) -> Descend:
    return in_the_best_threads(partial(descend, TRIAL), partial(descend, steps))


def in_the_best_threads(trial: Callable[[], Any], work: Callable[[], Any]) -> Callable[[], Any]:
    """Return some work in one thread or in all, whichever is faster for a trial of it."""
    trials = {threads: _seconds(partial(_with_threads, threads, trial)) for threads in _threads()}
    return partial(_with_threads, min(trials, key=trials.__getitem__), work)


def _threads() -> list[int]:
    return sorted({1, len(ENGINE.devices)})


def _with_threads(threads: int, work: Callable[[], Any]) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with limited(threads):
            return work()
    finally:
        torch.set_num_threads(before)


def _seconds(work: Callable[[], Any]) -> float:
    return min(timeit.repeat(work, number=1, repeat=3))


def _descended(start: Start, rate: float, steps: int) -> Path:
    x, y = (torch.from_numpy(part.astype(np.float32)) for part in (start.rows[:, :-1], start.y))
    target, layer, loss = torch.zeros(len(x), 1), Linear(x.shape[1], 1), BCEWithLogitsLoss()
    layer.weight.data[0], layer.bias.data[0] = y[:-1], y[-1]
    optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(layer(x), target).backward()
        optimizer.step()
    return Path(layer.weight.detach().norm().numpy(), layer.bias.detach().numpy())
