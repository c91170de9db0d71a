"""A sweep as it was typed, and its plan: axes -> tasks -> families -> chunks."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Self

from sweepjax.identity import digest, name_of
from sweepjax.observed import canonical, check_columns, is_fact
from sweepjax.sweep import spelling
from sweepjax.sweep.contract import checked
from sweepjax.sweep.fields import (
    ASPECT,
    Field,
    as_typed,
    check_ability,
    check_default,
    check_names,
    completed,
    fields_of,
    has_aspect,
    solver_fields,
    sweepable,
    used_axes,
)
from sweepjax.sweep.grid import Cut
from sweepjax.sweep.points import Points
from sweepjax.sweep.stop import Stop
from sweepjax.sweep.times import recorded_times, time_notes
from sweepjax.sweep.zipped import Groups, check_groups, paired
from sweepjax.types import Chunk, Family, Task

MOST_IN_FAMILY, MOST_POINTS, MOST_REALIZATIONS = 10**6, 10**7, 2**32 - 1
MOST_KEPT = 10**5  # tasks that are made once
NOTHING = None, "nothing"


@dataclass(frozen=True)
class Sweep:
    """The whole campaign as it was typed: names and axis texts. One that exists is valid.

    Axes are (field, text), for the fields of model and solver, for "seed", and for "lam" = d/n where
    the model has integers n and d; two of these three decide the third. They span a product, but the fields of a
    group in `zip` advance together. `until` and `record` are in the clock of the solver, flow time or steps. What is
    unknown or not allowed is a ValueError, which says what is.
    """

    model: str = "logistic"
    solver: str = "limit"
    axes: tuple[tuple[str, str], ...] = ()
    realizations: int = 100
    until: float | None = None
    record: str | None = None
    observe: tuple[str, ...] = ()
    zip: Groups = ()
    stop: str = ""

    def __post_init__(self) -> None:
        _check_realizations(self.realizations)
        check_names(self.axes, self.fields, self.model)
        check_groups(self.zip, self.fields)
        plugins = (self.model, self.model_class), (self.solver, self.solver_class)
        check_ability(*plugins)
        check_default(*plugins, self.values)
        _check_size(self)
        recorded_times(self.solver_class.clock, self.until, self.record)
        for text in self.observe:
            checked("observables", text)
        check_columns(self.observe)
        for option, asked in (("observe", not all(map(is_fact, self.observe))), ("stop", self.ends_when)):
            if asked and self.solver_class.clock == "none":
                raise ValueError(f"solver {self.solver!r} records no times to {option}; leave --{option} out")

    @classmethod
    def from_toml(cls, source: str | Mapping[str, Any]) -> Self:
        """Return the sweep of a TOML text or table; axes are numbers, lists or axis texts."""
        return cls(**spelling.from_toml(source))

    def to_toml(self) -> str:
        """Return the TOML text that `from_toml` reads back as this very sweep."""
        return spelling.to_toml({field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    def replaced(self, **options: Any) -> Self:
        """Return the sweep with other fields and options, written as for `from_toml`; None leaves one as it is.

        Where all of lam, n and d would have values, one that had values before makes way: d, or else lam.
        """
        given = spelling.arguments({name: value for name, value in options.items() if value is not None})
        axes = dict(self.axes) | dict(given["axes"])
        stale = [name for name in ("d", "lam", "n") if name not in dict(given["axes"])]
        if axes.keys() >= set(ASPECT) and has_aspect(self.fields) and stale:
            del axes[stale[0]]
        return dataclasses.replace(self, **given | {"axes": tuple(axes.items())})

    @cached_property
    def model_class(self) -> Any:
        """The model its name stands for."""
        return checked("models", self.model)

    @cached_property
    def solver_class(self) -> Any:
        """The solver its name stands for."""
        return checked("solvers", self.solver)

    @cached_property
    def fields(self) -> dict[str, Field]:
        """Every field that can have an axis, by name."""
        return sweepable(self.model_class, self.solver_class)

    @cached_property
    def asked(self) -> dict[str, str]:
        """The axis texts as typed, and those that the model is usually swept over where these were left open."""
        return completed(dict(self.axes), self.fields, getattr(self.model_class, "usual_axes", {}))

    @cached_property
    def spanned(self) -> Points:
        """The points that the axes span."""
        return Points(self.asked, self.fields, self.zip)

    @property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """The values of every field, ascending; of lam, n and d only the two that decide the third."""
        return self.spanned.values

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The distinct (n, d), ascending; none unless λ has a meaning."""
        return self.spanned.aspect.shapes if self.spanned.aspect else ()

    @cached_property
    def times(self) -> tuple[float, ...]:
        """The recorded times in the solver's clock."""
        return recorded_times(self.solver_class.clock, self.until, self.record)

    @cached_property
    def observables(self) -> tuple[str, ...]:
        """What is observed, ascending and each once."""
        return tuple(sorted({canonical(text) for text in self.observe}))

    @cached_property
    def ends_when(self) -> str:
        """What ends a training before its time, in one spelling; nothing if nothing does."""
        return str(Stop.parse(self.stop)) if self.stop else ""

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits of everything but the realizations: of values, not of their spelling."""
        rest = used_axes(self._plugins, self.values, ASPECT if self.shapes else ())
        used = [self.spanned.paired] * bool(self.spanned.paired) + [{"stop": self.ends_when}] * bool(self.stop)
        return digest([*map(name_of, self._plugins), self.shapes, rest, self.times, self.observables, *used])

    @property
    def family_count(self) -> int:
        """The number of families, each one compiled program."""
        return self.spanned.grid.count

    @property
    def family_sizes(self) -> Mapping[int, int]:
        """How many families have how many tasks; all have equally many unless fields are zipped."""
        return self.spanned.grid.sizes

    @property
    def points(self) -> int:
        """The number of tasks."""
        return self.spanned.grid.points

    @property
    def rows_total(self) -> int:
        """The number of rows: every realization of every task."""
        return self.points * self.realizations

    def rows_of(self, family: Family) -> int:
        """Return the rows of a family."""
        return len(family.tasks) * self.realizations

    def chunk_count(self, rows: int) -> int:
        """Return the number of chunks of at most `rows` rows."""
        return sum(families * -(-size * self.realizations // rows) for size, families in self.family_sizes.items())

    def families(self) -> Iterator[Family]:
        """Yield the families one by one: integers and texts differ between them, floats and seeds within."""
        return iter(self._families) if self.points <= MOST_KEPT else map(self._family, self.spanned.grid.families())

    def family(self, index: int) -> Family:
        """Return the family at an index, without making those before it."""
        return self._family(self.spanned.grid.family(index))

    def tasks(self) -> Iterator[Task]:
        """Yield every point of the phase diagram, family by family."""
        return chain.from_iterable(family.tasks for family in self.families())

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """Yield the chunks of at most `rows` rows, family by family."""
        for family in self.families():
            total = self.rows_of(family)
            yield from (Chunk(family, start, min(start + rows, total)) for start in range(0, total, rows))

    def notes(self) -> list[str]:
        """Say what each axis expands to, what is rounded and what is merged."""
        return [*self.spanned.notes(), *time_notes(self.solver_class.clock, self.until, self.record)]

    def differences(self, other: "Sweep") -> list[str]:
        """Return one sentence for each choice in which the sweeps differ, the realizations aside."""
        mine, others = self._choices(), other._choices()
        same = {name for name in ASPECT if self.shapes and self.shapes == other.shapes}
        same |= {name for name in ("until", "record") if self.times == other.times}
        pairs = {
            name: (mine.get(name, NOTHING), others.get(name, NOTHING)) for name in mine | others if name not in same
        }
        return [f"{as_typed(name)}: {a[1]} here, {b[1]} there" for name, (a, b) in pairs.items() if a[0] != b[0]]

    def _choices(self) -> dict[str, tuple[Any, str]]:
        """Return every choice by its name: its value, and the text that stands for it."""
        axes = {name: (values, self.asked.get(name, spelling.joined(values))) for name, values in self.values.items()}
        plugs = {"model": (name_of(self.model_class), self.model), "solver": (name_of(self.solver_class), self.solver)}
        plain = {"until": self.until, "record": self.record, "stop": self.ends_when or None}
        ends = {name: (value, str(value)) for name, value in plain.items() if value is not None}
        lists = {"observe": (self.observables, spelling.joined(self.observables))} if self.observe else {}
        pairs = {"zip": (self.spanned.paired, paired(self.zip, self.asked))} if self.spanned.paired else {}
        return plugs | ends | axes | lists | pairs

    @property
    def _plugins(self) -> tuple[Any, Any]:
        return self.model_class, self.solver_class

    @cached_property
    def _families(self) -> tuple[Family, ...]:
        return tuple(map(self._family, self.spanned.grid.families()))

    def _family(self, cut: Cut) -> Family:
        fields = fields_of(self.model_class), solver_fields(*self._plugins)
        model, solver = (cut.maker(cls, list(own)) for cls, own in zip(self._plugins, fields, strict=True))
        seed, rest = cut.names.index("seed"), (self.times, self.observables, self.ends_when)
        return Family(tuple(Task(model(point), solver(point), point[seed], *rest) for point in cut.points))


def _check_realizations(realizations: Any) -> None:
    if not (type(realizations) is int and 1 <= realizations <= MOST_REALIZATIONS):
        allowed = f"a whole number from 1 to {MOST_REALIZATIONS}"
        raise ValueError(f"realizations = {realizations!r} is not allowed; give {allowed}")


def _check_size(sweep: Sweep) -> None:
    if (largest := max(sweep.family_sizes)) > MOST_IN_FAMILY:
        raise ValueError(f"{largest} points differ only in floats and seeds; give at most {MOST_IN_FAMILY}")
    if sweep.points > MOST_POINTS:
        raise ValueError(f"the sweep has {sweep.points} points; give at most {MOST_POINTS}, or make it several sweeps")
