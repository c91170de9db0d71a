"""Chunks in this process: what goes wrong with them, and with whoever says which they are."""

from types import SimpleNamespace

import pytest

from sweepjax.executors import Done
from sweepjax.executors.local import MOST_AHEAD, Local


class Compute:
    """Keeps two chunks in hand, as lanes do."""

    def __call__(self, chunk, watch):
        return Done({}, {})

    def stream(self, chunks, watch):
        held = []
        for chunk in chunks:
            held.append(chunk)
            if len(held) > 2:
                yield held.pop(0), Done({}, {})
        yield from ((chunk, Done({}, {})) for chunk in held)

    def prepare(self, chunk):
        """Nothing to compile."""


def test_a_store_that_cannot_be_asked_is_no_end_of_the_chunks():
    def chunks():
        for number in range(MOST_AHEAD + 10):
            yield SimpleNamespace(family=None, number=number)
        raise RuntimeError("the store cannot be asked")

    settled = []
    with pytest.raises(RuntimeError, match="the store cannot be asked"):
        settled.extend(chunk.number for chunk, _ in Local()(Compute(), chunks(), lambda what, rows: None))
    assert settled == [*range(len(settled))]
