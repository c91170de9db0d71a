"""Pieces of work go to whoever is free."""

import threading
from contextlib import closing

import pytest

from sweepjax.engine.dealing import dealt


def test_every_piece_is_done_once_whichever_hand_takes_it():
    done = list(dealt(lambda hand, piece: 10 * piece, "ab", range(7, 57)))
    assert sorted(done) == [(place, 10 * (place + 7)) for place in range(50)]


def test_a_slow_piece_holds_up_one_hand_only():
    others = threading.Event()
    taken = []

    def work(hand, piece):
        taken.append(piece)
        if len(taken) == 9:
            others.set()
        # The first piece ends once the other hand has done all the rest.
        return others.wait(60) if piece == 0 else True

    assert all(result for _, result in dealt(work, "ab", range(9)))


def test_a_hand_does_one_piece_at_a_time():
    busy, clashes = set(), []

    def work(hand, piece):
        clashes.extend([hand] * (hand in busy))
        busy.add(hand)
        threading.Event().wait(0.002)
        busy.remove(hand)

    assert len(list(dealt(work, "abc", range(60)))) == 60
    assert not clashes


def test_after_a_failure_no_piece_is_begun_and_none_is_left_running():
    begun, ended = [], []

    def work(hand, piece):
        begun.append(piece)
        if piece == 0:
            raise RuntimeError("out of memory")
        threading.Event().wait(0.05)
        ended.append(piece)

    with pytest.raises(RuntimeError, match="out of memory"):
        list(dealt(work, "ab", range(100)))
    assert len(begun) < 10
    assert len(ended) == len(begun) - 1


def test_whoever_stops_early_does_not_wait():
    released, begun = threading.Event(), []

    def work(hand, piece):
        begun.append(piece)
        if piece:
            released.wait(60)

    with closing(dealt(work, "ab", range(100))) as pieces:
        assert next(pieces)[0] == 0
    assert len(begun) < 5  # and the test goes on while these still wait
    released.set()
