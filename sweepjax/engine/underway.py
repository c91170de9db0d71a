"""Rows under way as plain arrays: taken out of a pool, kept beside their chunk, and put back into another pool.

Between two calls a pool is data, and so a long training need not begin again where its process is killed. Datasets are
not kept, which may be gigabytes: they are drawn again, and with them whatever of a solver's view is more than a number.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from sweepjax.engine.drawing import small_of, viewed_again
from sweepjax.engine.kernel import Kernel, Slot
from sweepjax.engine.settings import settled
from sweepjax.engine.slots import Pool
from sweepjax.keys import like, plain
from sweepjax.types import Chunk

Arrays = dict[str, np.ndarray]
SHARE, SPEED = 20, 10**8  # of the time at most one part in so many goes into writing, at so many bytes a second


class Keeper(Protocol):
    """Who keeps the state of a chunk that is not finished, every so many seconds."""

    @property
    def every(self) -> float:
        """Seconds between two states."""
        ...

    def load(self, chunk: Chunk) -> Arrays | None:
        """Return the last state of a chunk, if there is one from which this process may go on."""
        ...

    def save(self, chunk: Chunk, arrays: Arrays) -> None:
        """Keep the state of a chunk instead of the one before."""
        ...


class Rows(NamedTuple):
    """Rows under way: their numbers, the step that each waits for, and what is kept of their slots [r ...]."""

    numbers: np.ndarray
    waits: np.ndarray
    slots: list[np.ndarray]

    @property
    def pause(self) -> float:
        """Seconds to wait before rows as large as these are kept again."""
        return SHARE * sum(leaf.nbytes for leaf in self.slots) / SPEED

    def some(self, chosen: Any) -> "Rows":
        """Return some of them, by a mask, an index or a slice."""
        return Rows(self.numbers[chosen], self.waits[chosen], [leaf[chosen] for leaf in self.slots])

    def batched(self, size: int) -> Iterator["Rows"]:
        """Cut them into pieces of at most `size`."""
        return (self.some(slice(start, start + size)) for start in range(0, len(self.numbers), size))


def joined(several: Iterable[Rows]) -> Rows:
    """Return rows of one shape together."""
    several = [rows for rows in several if len(rows.numbers)]
    if not several:
        return Rows(np.zeros(0, np.int64), np.zeros(0, np.int32), [])
    numbers, waits = (np.concatenate([rows[k] for rows in several]) for k in range(2))
    return Rows(
        numbers, waits, [np.concatenate(leaves) for leaves in zip(*(rows.slots for rows in several), strict=True)]
    )


class State(NamedTuple):
    """A chunk that is not finished: rows that are done, the leaves of their columns [r ...], and rows under way."""

    done: np.ndarray
    columns: list[np.ndarray]
    under: Rows

    def arrays(self, first: int) -> Arrays:
        """Return all of it as arrays, its rows numbered from the first of the chunk on."""
        columns = {f"column{k}": leaf for k, leaf in enumerate(self.columns)}
        slots = {f"slot{k}": leaf for k, leaf in enumerate(self.under.slots)}
        numbers = {"done": self.done - first, "under": self.under.numbers - first, "waits": self.under.waits}
        return numbers | columns | slots


def state(arrays: Arrays, first: int, rows: int) -> State:
    """Return the state that arrays are, its rows numbered from `first` on; of a longer chunk the first rows."""
    done, under = (arrays[name] < rows for name in ("done", "under"))
    columns, slots = (
        [arrays[f"{name}{k}"] for k in range(sum(each.startswith(name) for each in arrays))]
        for name in ("column", "slot")
    )
    here = Rows(first + arrays["under"], arrays["waits"], slots).some(under)
    return State(first + arrays["done"][done], [leaf[done] for leaf in columns], here)


def light(slot: Slot) -> Slot:
    """Return a slot without what is drawn again."""
    return slot._replace(data=None, view=small_of(slot.view))


def whole(kernel: Kernel, slot: Slot) -> Slot:
    """Return a slot with what is drawn again."""
    small, slot = slot.view, slot._replace(data=kernel.draw(slot.row))
    if not kernel.keeps_view:
        return slot
    return slot._replace(view=viewed_again(slot.row.solver, kernel.problem(slot), small))


def taken(pool: Pool) -> Rows:
    """Return the rows that a pool holds."""
    number, waits, *slots = map(np.asarray, jax.device_get([plain(leaf) for leaf in jax.tree.leaves(_light(pool))]))
    here = np.flatnonzero(waits)
    return Rows(number[here], waits[here], [leaf[here] for leaf in slots])


def fits(rows: Rows, pool: Pool) -> bool:
    """Whether rows are of the shapes and types of a pool, and no more than it has slots."""
    with settled():
        slots = jax.eval_shape(lambda pool: [plain(leaf) for leaf in jax.tree.leaves(_light(pool).slots)], pool)
    shapes, own = ([(leaf.shape[1:], leaf.dtype.itemsize) for leaf in each] for each in (slots, rows.slots))
    return len(rows.numbers) <= pool.waits.size and shapes == own


def put_back(rows: Rows, pool: Pool, complete: Callable[[Slot], Slot]) -> Pool:
    """Return a pool of the shape of this one, with these rows in its first slots, completed from what was kept.

    A slot that stays free holds a row, too, for which nothing waits: what is drawn again is drawn for real rows.
    """
    count, places = len(rows.numbers), np.resize(np.arange(len(rows.numbers)), pool.waits.size)

    def filled(old: Any, new: np.ndarray) -> Any:
        words = plain(old)
        # What NumPy does not know, such as bfloat16, comes back from a file as bytes.
        new = new.view(words.dtype) if new.dtype != words.dtype else new
        return jax.device_put(like(new[places], old), old.sharding)

    waits = np.where(np.arange(pool.waits.size) < count, rows.waits[places], 0).astype(rows.waits.dtype)
    with settled():
        leaves, tree = jax.tree.flatten(_light(pool))
        found = tree.unflatten(map(filled, leaves, [rows.numbers, rows.waits, *rows.slots]))
        return found._replace(waits=jax.device_put(waits, pool.waits.sharding), slots=complete(found.slots))


def _light(pool: Pool) -> Pool:
    with settled():
        return pool._replace(slots=jax.vmap(light)(pool.slots))
