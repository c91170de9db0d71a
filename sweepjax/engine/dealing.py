"""Work dealt out piece by piece, each to the hand that is free first."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from queue import SimpleQueue
from typing import TypeVar

Hand = TypeVar("Hand")
Piece = TypeVar("Piece")
Result = TypeVar("Result")


def dealt(
    work: Callable[[Hand, Piece], Result], hands: Sequence[Hand], pieces: Sequence[Piece]
) -> Generator[tuple[int, Result], None, None]:
    """Yield the place of each piece and what became of it, as they are done; every hand is a thread.

    Once a piece has failed no other is begun, and those in work are waited for, since they hold memory. Where the
    caller stops or is interrupted, they are not.
    """
    free: SimpleQueue[Hand] = SimpleQueue()
    for hand in hands:
        free.put(hand)

    def one(place: int) -> tuple[int, Result]:
        hand = free.get()
        try:
            return place, work(hand, pieces[place])
        finally:
            free.put(hand)

    pool = ThreadPoolExecutor(len(hands))
    try:
        for done in as_completed([pool.submit(one, place) for place in range(len(pieces))]):
            yield done.result()
    except Exception:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
