"""Points that axes span, cut into families: within one, only floats and seeds differ."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from itertools import chain, product
from operator import itemgetter
from typing import Any, NamedTuple

Point = tuple[Any, ...]
Cell = dict[Point, list[Point]]


class Axis(NamedTuple):
    """Fields that advance together, most often a single one, and their values: ascending, each point once."""

    names: tuple[str, ...]
    points: tuple[Point, ...]


class Cut(NamedTuple):
    """The points of one family: its shape, the names of its floats and of the seed, and their values at each."""

    shape: Mapping[str, Any]
    names: tuple[str, ...]
    points: Iterator[Point]

    def maker(self, cls: Any, names: Sequence[str]) -> Any:
        """Return the function that makes the plug-in of a class with the fields `names` at a point, equal ones once."""
        fixed = {name: self.shape[name] for name in names if name in self.shape}
        varied = tuple(name for name in names if name in self.names)
        pick = picker(self.names, varied)

        @cache
        def make(values: Point) -> Any:
            return cls(**fixed, **dict(zip(varied, values, strict=True)))

        return lambda point: make(pick(point))


class Grid:
    """The product of axes, the last fastest; those of `shape` fields come first, as do these within an axis."""

    def __init__(self, axes: Sequence[Axis], shape: frozenset[str]) -> None:
        self.axes = axes
        self.shape = tuple(name for axis in axes for name in axis.names if name in shape)
        self.traced = tuple(name for axis in axes for name in axis.names if name not in shape)

    @cached_property
    def cells(self) -> list[Cell]:
        """The points of each axis by what they say of the shape."""
        return [self._cells(axis) for axis in self.axes]

    @cached_property
    def sizes(self) -> Counter[int]:
        """How many families have how many points."""
        sizes = Counter({1: 1})
        for cells in self.cells:
            lengths = Counter(map(len, cells.values()))
            pairs = product(sizes.items(), lengths.items())
            sizes = Counter()
            for (size, families), (length, times) in pairs:
                sizes[size * length] += families * times
        return sizes

    @property
    def count(self) -> int:
        """The number of families."""
        return math.prod(map(len, self.cells))

    @property
    def points(self) -> int:
        """The number of points of all families."""
        return math.prod(len(axis.points) for axis in self.axes)

    def families(self) -> Iterator[Cut]:
        """Yield the families one by one."""
        return (self._family(cells) for cells in product(*(cells.items() for cells in self.cells)))

    def family(self, index: int) -> Cut:
        """Return the family at an index, without making those before it."""
        cells = []
        for each in reversed(self.cells):
            index, own = divmod(index, len(each))
            cells.append(list(each.items())[own])
        return self._family(cells[::-1])

    def _cells(self, axis: Axis) -> Cell:
        shape = picker(axis.names, [name for name in axis.names if name in self.shape])
        traced = picker(axis.names, [name for name in axis.names if name in self.traced])
        cells: Cell = {}
        for point in axis.points:
            cells.setdefault(shape(point), []).append(traced(point))
        return cells

    def _family(self, cells: Sequence[tuple[Point, list[Point]]]) -> Cut:
        shape = dict(zip(self.shape, chain.from_iterable(values for values, _ in cells), strict=True))
        points = product(*(points for _, points in cells))
        return Cut(shape, self.traced, (tuple(chain.from_iterable(point)) for point in points))


def picker(names: Sequence[str], wanted: Sequence[str]) -> Any:
    """Return the function that picks the values of the wanted names out of a point."""
    if not wanted:
        return lambda point: ()
    first, *others = (names.index(name) for name in wanted)
    return itemgetter(first, *others) if others else itemgetter(slice(first, first + 1))
