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

import numpy as np
import torch
from torch.nn import BCEWithLogitsLoss, Linear

from benchmarks.kernel import ENGINE
from benchmarks.reference import Path, Start, flow
from benchmarks.timing import limited

METHODS = ("RK45", "DOP853", "LSODA", "BDF", "Radau")
RELATIVE, ABSOLUTE = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6), (0.1, 0.01)  # the second in units of the first
TRIAL = 20  # steps of a loop to choose its threads by


class Integration(NamedTuple):
    """One way to integrate a flow, its method's name, and the seconds it took when it was tried."""

    method: str
    solve: Callable[[], Path]
    seconds: float


Descend = Callable[[], list[Path]]


def solve_ivp(start: Start, times: np.ndarray, known: Path, tolerance: float) -> Integration:
    """SciPy's solve_ivp in log(1 + t): of every method's loosest tolerances that are good enough, the fastest."""
    ladders = [(method, share) for method in METHODS for share in ABSOLUTE]
    ways = sorted((_loosest(start, times, ladder, known, tolerance) for ladder in ladders), key=lambda way: way.seconds)
    again = [
        way._replace(solve=partial(_with_threads, threads, way.solve)) for way in ways[:3] for threads in _threads()
    ]
    return min(again, key=lambda way: _seconds(way.solve))


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
    trials = {threads: _seconds(partial(_with_threads, threads, partial(descend, TRIAL))) for threads in _threads()}
    return partial(_with_threads, min(trials, key=trials.__getitem__), partial(descend, steps))


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
