"""The alternating pair timer: milliseconds vary between minutes, so only neighbours are compared."""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

SETTLE = 0.2  # seconds before each timing in which the other side's spinning threads go to sleep


@dataclass(frozen=True)
class Pair:
    """Seconds of both sides, repetition by repetition, and what each side answered."""

    ours: list[float]
    theirs: list[float]
    our_answer: Any
    their_answer: Any

    @property
    def ratios(self) -> list[float]:
        """Peer/ours of each repetition."""
        return [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def medians(self) -> tuple[float, float]:
        """Median seconds of ours and of theirs."""
        return statistics.median(self.ours), statistics.median(self.theirs)

    def per(self, ours: float, theirs: float) -> "Pair":
        """Divide the seconds of each side by how much work it did, where that differs."""
        return replace(self, ours=[s / ours for s in self.ours], theirs=[s / theirs for s in self.theirs])


def alternate(ours: Callable[[], Any], theirs: Callable[[], Any], repetitions: int) -> Pair:
    """Run ours, theirs, ours, theirs, ... after one untimed run of each."""
    answers = ours(), theirs()
    times = [(seconds(ours), seconds(theirs)) for _ in range(repetitions)]
    return Pair([pair[0] for pair in times], [pair[1] for pair in times], *answers)


def seconds(work: Callable[[], Any], settle: float = SETTLE) -> float:
    """Return the wall time of one call."""
    time.sleep(settle)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def limited(threads: int, user_api: str | None = None) -> AbstractContextManager:
    """Limit the thread pools, which are looked for only once: that takes a millisecond."""
    return _pools().limit(limits=threads, user_api=user_api)


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()
