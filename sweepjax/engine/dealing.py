"""Work dealt out piece by piece, each to the hand that is free first."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

Hand = Callable[[Iterator[Piece], Callable[[Result], None]], None]  # takes pieces, gives results


def deal(hands: Sequence[Hand[Piece, Result]], pieces: Iterable[Piece]) -> Generator[Result, None, None]:
    """Yield results as the hands give them; every hand is a thread that takes pieces until there are no more.

    Once a hand has failed no other takes a piece, and those at work are waited for, since they hold memory. Where
    the caller stops or is interrupted, they are not.
    """
    results: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    shared, stopped = _Shared(pieces), Event()

    def work(hand: Hand[Piece, Result]) -> None:
        try:
            hand(shared.until(stopped), lambda result: results.put(("result", result)))
        except BaseException as error:
            stopped.set()
            results.put(("error", error))
        else:
            results.put(("end", None))

    pool = ThreadPoolExecutor(len(hands))
    try:
        for hand in hands:
            pool.submit(work, hand)
        yield from _collected(results, len(hands))
    finally:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _collected(results: SimpleQueue[tuple[str, Any]], hands: int) -> Iterator[Any]:
    """Yield results until every hand has come to its end; then raise the first error, if there was one."""
    errors = []
    while hands:
        what, result = results.get()
        if what == "result" and not errors:
            yield result
        if what == "error":
            errors.append(result)
        hands -= what != "result"
    if errors:
        raise errors[0]


class _Shared:
    """Pieces that several threads take from one iterator."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self.pieces, self.lock = iter(pieces), Lock()

    def until(self, stopped: Event) -> Iterator[Any]:
        """Yield the next pieces, until there are none or the work is stopped."""
        while not stopped.is_set():
            with self.lock:
                if (piece := next(self.pieces, self)) is self:
                    return
            yield piece
