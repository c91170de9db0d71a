"""The points that axis texts stand for: every combination of their values, but pair by pair where fields are zipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sweepjax.sweep.aspect import Aspect, aspect_of
from sweepjax.sweep.fields import ASPECT, Field, has_aspect, summary
from sweepjax.sweep.grid import Axis, Grid
from sweepjax.sweep.zipped import Groups, merged, note, ordered, pairs


@dataclass(frozen=True)
class Points:
    """The points of axis texts, for the fields that they are of; each group in `zipped` advances together."""

    texts: Mapping[str, str]
    fields: dict[str, Field]
    zipped: Groups

    @cached_property
    def values(self) -> dict[str, tuple[Any, ...]]:
        """The values of every field, ascending; of lam, n and d only the two that decide the third."""
        derived = ASPECT if self._has_aspect else ()
        wanted = {name: field for name, field in self.fields.items() if name in self.texts or name not in derived}
        return {name: field.values(name, self.texts.get(name)) for name, field in wanted.items()}

    @cached_property
    def aspect(self) -> Aspect | None:
        """The n and d that λ becomes; none unless λ has a meaning."""
        return aspect_of([axis for axis in self._axes if {*axis.names} & {*ASPECT}]) if self._has_aspect else None

    @cached_property
    def grid(self) -> Grid:
        """The points, cut into families."""
        own = [self.aspect.axis] if self.aspect else []
        apart = [axis for axis in self._axes if not (self.aspect and {*axis.names} & {*ASPECT})]
        first = ("n", "d") if self.aspect else ()
        rest = [name for name in self.fields if name not in first]
        order = [*first, *(name for name in rest if self._is_shape(name)), *(n for n in rest if not self._is_shape(n))]
        axes = sorted((ordered(axis, order) for axis in own + apart), key=lambda axis: order.index(axis.names[0]))
        return Grid(axes, frozenset(filter(self._is_shape, order)))

    @cached_property
    def paired(self) -> list[Axis]:
        """The axes whose points are no product; they identify a sweep beside the values of each field."""
        names = {name for axis in self._zipped for name in axis.names}
        names |= {"n"} if self.aspect and names & {*ASPECT} else set()
        return [axis for axis in self.grid.axes if names & {*axis.names}]

    def notes(self) -> list[str]:
        """Say what each axis expanded to, what is paired, what is rounded and what is merged."""
        shapes = self.aspect.shapes if self.aspect else ()
        sides = {"lam": {d / n for n, d in shapes}, "n": {n for n, _ in shapes}, "d": {d for _, d in shapes}}
        paired = {name for axis in self._zipped for name in axis.names}
        shown = {name: sorted(values) for name, values in sides.items() if self.aspect}
        shown |= {name: self.values[name] for name in self.texts if name not in paired}
        axes = [summary(name, shown[name]) for name in self.fields if name in shown]
        apart = [axis for axis in self._zipped if not (self.aspect and {*axis.names} & {*ASPECT})]
        equal = [line for axis in apart for line in merged(axis.names, axis.points)]
        return [*axes, *map(note, self._zipped), *(self.aspect.notes() if self.aspect else []), *equal]

    @property
    def _has_aspect(self) -> bool:
        return has_aspect(self.fields)

    @cached_property
    def _zipped(self) -> list[Axis]:
        """The pairs in the order typed; a single one is what its fields are without being zipped."""
        axes = [pairs(group, self.texts, self.fields) for group in self.zipped]
        return [axis for axis in axes if len(axis.points) > 1]

    @cached_property
    def _axes(self) -> list[Axis]:
        """The axes as typed: those that are zipped, and every other field alone."""
        paired = {name for axis in self._zipped for name in axis.names}
        alone = {name: values for name, values in self.values.items() if name not in paired}
        return [*self._zipped, *(Axis((name,), tuple((v,) for v in values)) for name, values in alone.items())]

    def _is_shape(self, name: str) -> bool:
        return name != "seed" and self.fields[name].kind is not float
