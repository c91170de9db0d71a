"""Pieces of work go to whoever is free."""

import threading
from contextlib import closing

import pytest

from sweepjax.engine.dealing import deal


def hand(work):
    """A hand that gives what becomes of each piece."""

    def act(pieces, give):
        for piece in pieces:
            give(work(piece))

    return act


def test_every_piece_is_done_once_whichever_hand_takes_it():
    assert sorted(deal(2 * [hand(lambda piece: 10 * piece)], range(7, 57))) == [10 * k for k in range(7, 57)]


def test_a_slow_piece_holds_up_one_hand_only():
    others, taken = threading.Event(), []

    def work(piece):
        taken.append(piece)
        if len(taken) == 9:
            others.set()
        # The first piece ends once the other hand has done all the rest.
        return others.wait(60) if piece == 0 else True

    assert all(deal(2 * [hand(work)], range(9)))


def test_a_hand_does_one_piece_at_a_time():
    busy, clashes = set(), []

    def working(name):
        def work(piece):
            clashes.extend([name] * (name in busy))
            busy.add(name)
            threading.Event().wait(0.002)
            busy.remove(name)

        return hand(work)

    assert len(list(deal([working(name) for name in "abc"], range(60)))) == 60
    assert not clashes


def test_what_a_hand_gives_after_its_last_piece_is_not_lost():
    def keeping(pieces, give):
        kept = list(pieces)
        give(kept)

    assert sorted(k for kept in deal(2 * [keeping], range(20)) for k in kept) == list(range(20))


def test_after_a_failure_no_piece_is_begun_and_none_is_left_running():
    begun, ended = [], []

    def work(piece):
        begun.append(piece)
        if piece == 0:
            raise RuntimeError("out of memory")
        threading.Event().wait(0.05)
        ended.append(piece)

    with pytest.raises(RuntimeError, match="out of memory"):
        list(deal(2 * [hand(work)], range(100)))
    assert len(begun) < 10
    assert len(ended) == len(begun) - 1


def test_pieces_that_cannot_be_made_are_an_error():
    def pieces():
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(deal(2 * [hand(lambda piece: piece)], pieces()))


def test_whoever_stops_early_does_not_wait():
    released, begun = threading.Event(), []

    def work(piece):
        begun.append(piece)
        if piece:
            released.wait(60)
        return piece

    with closing(deal(2 * [hand(work)], range(100))) as pieces:
        assert next(pieces) == 0
    assert len(begun) < 5  # and the test goes on while these still wait
    released.set()
