"""A sweep whose points have as many realizations as each of them needs; each point is a family of its own."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple, Self

import tomli_w

from sweepjax.identity import digest
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Family

KEY = "adaptive"  # in TOML


class Rule(NamedTuple):
    """A standard error for the mean of a column at every point."""

    column: str
    se: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rule of a text such as margin=0.001."""
        column, _, number = (word.strip() for word in text.partition("="))
        try:
            se = float(number)
        except ValueError:
            se = math.nan
        if not (column and math.isfinite(se) and se > 0):
            raise ValueError(f"adaptive {text!r} is not understood; write COLUMN=SE, SE above 0, as in margin=0.001")
        return cls(column, se)

    def __str__(self) -> str:
        return f"{self.column}={self.se!r}"


@dataclass(frozen=True)
class Adaptive(Sweep):
    """A sweep with a rule; `counts` are the realizations of each family, by its digits, once they are decided."""

    adaptive: str = ""
    counts: Mapping[str, int] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, sweep: Sweep, rule: Rule) -> Self:
        """Return a sweep with a rule."""
        return cls(**{each.name: getattr(sweep, each.name) for each in fields(Sweep)}, adaptive=str(rule))

    @property
    def rule(self) -> Rule:
        """What each point is to reach."""
        return Rule.parse(self.adaptive)

    @cached_property
    def id(self) -> str:
        """Twelve hexadecimal digits of the sweep and its rule."""
        return digest([Sweep.id.func(self), str(self.rule)])

    @property
    def family_count(self) -> int:
        """The number of points."""
        return self.points

    @property
    def family_sizes(self) -> Mapping[int, int]:
        """Every family has one task."""
        return {1: self.points}

    @property
    def rows_total(self) -> int:
        """The number of rows of all points."""
        return sum(map(self.rows_of, self.families()))

    def rows_of(self, family: Family) -> int:
        """Return the rows of a point."""
        return self.counts.get(family.id, self.realizations)

    def chunk_count(self, rows: int) -> int:
        """Return the number of chunks of at most `rows` rows."""
        return sum(-(-self.rows_of(family) // rows) for family in self.families())

    def families(self) -> Iterator[Family]:
        """Yield a family a point."""
        return (Family((task,)) for family in Sweep.families(self) for task in family.tasks)

    def family(self, index: int) -> Family:
        """Return the family at an index."""
        return next(islice(self.families(), index, None))

    def notes(self) -> list[str]:
        """Say what each axis expands to, and how many draws its points have, and why."""
        why = "decided by a pilot with seeds of its own, whose draws do not enter the means"
        found = f"{_span(self.counts)} realizations a point, {why}" if self.counts else f"realizations are {why}"
        return [*super().notes(), f"adaptive {self.rule}: {found}"]

    def _choices(self) -> dict[str, tuple[Any, str]]:
        return super()._choices() | {KEY: (self.rule, str(self.rule))}

    def to_toml(self) -> str:
        """Return the TOML text with the rule."""
        return super().to_toml() + tomli_w.dumps({KEY: self.adaptive})


def uncounted(sweep: Sweep) -> Sweep:
    """Return a sweep whose realizations are to be decided anew, if they were."""
    return replace(sweep, counts={}) if isinstance(sweep, Adaptive) else sweep


def draws(sweep: Sweep) -> str:
    """Say how many realizations the points of a sweep have."""
    counts = sweep.counts if isinstance(sweep, Adaptive) else {}
    return f"{_span(counts)} realizations" if counts else f"{sweep.realizations} realizations each"


def _span(counts: Mapping[str, int]) -> str:
    """Return the fewest and the most of some numbers."""
    few, many = min(counts.values()), max(counts.values())
    return f"{few} to {many}" if few < many else str(few)


def sweep_of(source: str | Mapping[str, Any]) -> Sweep:
    """Return the sweep of a TOML text or table, with its rule if it has one."""
    if isinstance(source, str):
        if KEY not in source:
            return Sweep.from_toml(source)
        source = tomllib.loads(source)
    sweep = Sweep.from_toml({name: value for name, value in source.items() if name != KEY})
    return Adaptive.of(sweep, Rule.parse(str(source[KEY]))) if KEY in source else sweep
