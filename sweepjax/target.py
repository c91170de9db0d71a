"""How far to go on: whole rounds of realizations, until every mean is known as well as was asked for."""

from collections.abc import Iterator
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sweepjax.columns import CLOCKS
from sweepjax.engine import contract
from sweepjax.engine.engine import outline
from sweepjax.engine.sizes import MOST_FILES, default_chunk_rows
from sweepjax.plugins import unknown
from sweepjax.reducers import STOPPED, source
from sweepjax.reducers.mean import SMALLEST_SKETCH, Mean, without_variance
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep


class Reached(NamedTuple):
    """The largest standard error, the point at which it is found, and whether it exists: not without a variance."""

    se: float
    point: dict[str, Any]
    exists: bool = True


class Target(NamedTuple):
    """A standard error for the mean of a column at every point, of a curve at every recorded time too.

    It is looked at between whole rounds only, so that it does not matter which rows are finished first.
    Of truth values it is taken to be at least 1/R: that all of R draws are the same proves no more. Where a law has no
    variance, as far as its tail tells, there is none to reach, and no round is added.
    """

    column: str
    se: float
    realizations: int  # at most

    def check(self, sweep: Sweep) -> None:
        """Refuse what no number of realizations reaches; nothing is computed."""
        if not (isfinite(self.se) and self.se > 0):
            raise ValueError(f"a standard error of {self.se:g} is not allowed; give a number above 0")
        if self.realizations < sweep.realizations:
            first = f"the first round has {sweep.realizations} realizations already"
            raise ValueError(f"at most {self.realizations} realizations are too few, since {first}; give that or more")
        self._check_column(sweep)

    def rounds(self, sweep: Sweep) -> Iterator[Sweep]:
        """Yield the sweep of each round: the realizations asked for, then twice as many each time."""
        count = sweep.realizations
        while count < self.realizations:
            yield sweep.replaced(realizations=count)
            count *= 2
        yield sweep.replaced(realizations=self.realizations)

    def chunk_rows(self, sweep: Sweep) -> int:
        """Return how many rows to keep at a time: if files permit, no round ends within a chunk of the next."""
        last = sweep.replaced(realizations=self.realizations)
        rows = min(default_chunk_rows(last), min(sweep.family_sizes) * sweep.realizations)
        return rows if last.chunk_count(rows) <= MOST_FILES else default_chunk_rows(last)

    def reached(self, store: Store, sweep: Sweep) -> Reached:
        """Return how far a round has come; of rows that a later one has stored already it knows nothing."""
        rows = store.dataset().filter(pc.field("realization") < sweep.realizations)
        table = Mean(column=self.column, quantiles="", sketch=SMALLEST_SKETCH)(rows)
        if STOPPED in table:  # nothing is to be known of a time to which no training came
            table = table.query(f"{STOPPED} < rows").reset_index(drop=True)
        heavy = without_variance(table)
        errors = np.where(heavy, inf, table["se"].fillna(inf).to_numpy())
        if pa.types.is_boolean(rows.schema.field(source(self.column)).type):
            errors = np.maximum(errors, 1 / table["kept"].to_numpy())
        worst = int(errors.argmax())
        where = [*table.columns[: table.columns.get_loc("column")], *(name for name in CLOCKS if name in table)]
        return Reached(float(errors[worst]), {name: table[name].iloc[worst] for name in where}, not heavy[worst])

    def _check_column(self, sweep: Sweep) -> None:
        contract.check(sweep)
        found, recorded = outline(next(sweep.families())), (len(sweep.times),)
        averaged = [name for name, leaf in (found.facts | found.info).items() if _shape(leaf) == ()]
        averaged += [name for name, leaf in found.curves.items() if _shape(leaf) == recorded]
        if source(self.column) not in averaged:
            raise ValueError(unknown("column", self.column, averaged))


def _shape(leaf: Any) -> tuple[int, ...]:
    """Return the shape of a column in one row; a pair is a value and whether it exists."""
    return leaf[0].shape if isinstance(leaf, tuple) else leaf.shape
