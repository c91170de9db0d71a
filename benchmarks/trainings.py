"""What jobs of trainings share: whole rows of ours against steps of PyTorch, one network at a time and all at once."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from benchmarks.jobs import Effort, compared, product_share
from benchmarks.kernel import ENGINE
from benchmarks.table import Row
from benchmarks.timing import alternate, limited
from sweepjax.sweep.sweep import Sweep

FEW = 4  # networks that are trained one after the other

Peer = Callable[[list[Any], int], float]  # (draws, steps) -> the loss of the first in the end


class Trainings(NamedTuple):
    """Trainings of one model by AdamW.

    Args:
        title: what the table says.
        model: of the rows.
        sweep: its fields and those of the solver.
        steps: of a row of ours.
        timed: the steps that a peer is timed for.
        networks: how many there are.
        draw: a realization as the peers take it.
        peers: one that trains one network after the other, and one that trains all at once.
        least: the ratio to each that is aimed at, by its name.
    """

    title: str
    model: Any
    sweep: dict[str, Any]
    steps: int
    timed: int
    networks: int
    draw: Callable[[int], Any]
    peers: tuple[Peer, Peer]
    least: dict[str, float]


def held(job: Trainings, effort: Effort) -> list[Row]:
    """Hold our trainings against both peers."""
    steps, timed = (job.steps // 20, max(2, job.timed // 20)) if effort.short else (job.steps, job.timed)
    count = effort.count(job.networks)
    times = {"until": float(steps), "record": f"0,{timed},{steps}"}
    (chunk,) = Sweep.from_toml(job.sweep | times | {"realizations": count}).chunks(count)
    draws = [job.draw(realization) for realization in range(count)]
    rows = []
    for (name, least), train, several in zip(job.least.items(), job.peers, (draws[:FEW], draws), strict=True):
        theirs = _with_all_cores(partial(train, several, timed))
        pair = alternate(lambda: ENGINE.compute(chunk), theirs, effort.repetitions(5))
        share = product_share(job.model, count, steps, pair.medians[0])
        pair = pair.per(count, len(several) * timed / steps)
        loss = pair.our_answer["train_loss"].values[0][1]
        row = compared(f"{job.title}, {steps} steps", pair, 1, name, least)
        note = f"the peer: {timed} steps timed, as if {steps}; errors are of the loss after {timed}"
        error = abs(pair.their_answer / float(loss) - 1)
        rows.append(row._replace(error=error, share=share, draws=count, note=note))
    return rows


def torch_options(solver: dict[str, float]) -> dict[str, Any]:
    """Return the options of PyTorch's AdamW."""
    betas = solver["b1"], solver["b2"]
    return {"lr": solver["learning_rate"], "betas": betas, "weight_decay": solver["weight_decay"], "eps": 1e-8}


def _with_all_cores(work: Callable[[], float]) -> Callable[[], float]:
    def limited_work() -> float:
        with limited(len(ENGINE.devices)):
            return work()

    return limited_work
