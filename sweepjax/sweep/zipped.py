"""Fields that are zipped, as by `--zip lambda,sigma`: their values pair up in the order typed and span no product."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sweepjax.plugins import unknown
from sweepjax.sweep.fields import Field, as_typed, spelled
from sweepjax.sweep.grid import Axis, picker

Groups = tuple[tuple[str, ...], ...]
FEW = 6  # points that are shown one by one


def check_groups(groups: Groups, fields: Mapping[str, Field]) -> None:
    """Refuse groups of names that are unknown, too few, or named twice."""
    for group in groups:
        if not all(group):
            raise ValueError(f"{spelling(group)} is empty somewhere; give names joined by single commas")
        for name in group:
            if name not in fields:
                raise ValueError(f"{spelling(group)}: {unknown('field', name, list(fields))}")
        if len(group) < 2:
            raise ValueError(f"{spelling(group)} pairs nothing; name two fields or more, as in --zip lambda,sigma")
    twice = [name for name, times in Counter(name for group in groups for name in group).items() if times > 1]
    if twice:
        raise ValueError(f"{as_typed(twice[0])} is zipped twice; name it in one --zip, once")


def pairs(group: Sequence[str], texts: Mapping[str, str], fields: Mapping[str, Field]) -> Axis:
    """Return the values of some fields side by side, in the order typed and equal ones kept."""
    for name in group:
        if name not in texts:
            raise ValueError(f"{spelling(group)}: {as_typed(name)} has no values; give them, or take it out of --zip")
    columns = {name: fields[name].listed(name, texts[name]) for name in group}
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        counts = " and ".join(f"{as_typed(name)} has {len(values)}" for name, values in columns.items())
        raise ValueError(f"{spelling(group)} pairs values one by one, but {counts}; give equally many of each")
    return Axis(tuple(group), tuple(zip(*columns.values(), strict=True)))


def ordered(axis: Axis, order: Sequence[str]) -> Axis:
    """Return the axis with its names in an order, and its points ascending, each once."""
    names = tuple(sorted(axis.names, key=order.index))
    return Axis(names, tuple(sorted(set(map(picker(axis.names, names), axis.points)))))


def note(axis: Axis) -> str:
    """Say which values are paired."""
    texts = [" with ".join(map(spelled, point)) for point in axis.points]
    few = ", ".join(texts) if len(texts) <= FEW else f"{texts[0]} to {texts[-1]}, {len(texts)} points"
    return f"zip {','.join(map(as_typed, axis.names))}: {few}"


def merged(names: Iterable[str], points: Sequence[Any]) -> list[str]:
    """Say how many of some points are equal to others."""
    equal = len(points) - len(set(points))
    what = f"{equal} of {len(points)} points ({', '.join(names)}) coincide with others and are merged"
    return [what] if equal else []


def spelling(group: Sequence[str]) -> str:
    """Return the option that zips some fields."""
    return f"--zip {','.join(map(as_typed, group))}"


def paired(groups: Groups, texts: Mapping[str, str]) -> str:
    """Return which fields advance together, each with the text of its axis."""
    return ", ".join(" with ".join(f"{as_typed(name)} {texts[name]}" for name in group) for group in groups)
