"""What a plug-in or a task is, as plain JSON values, and the digests that name sweeps and files."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

WHERE_USED = {"where used": True}  # of a field that is part of an identity only where it is not at its default


def name_of(item: Any) -> str:
    """Return the command-line name of a plug-in: its file's, or module:Name from outside."""
    cls = item if hasattr(item, "__qualname__") else type(item)
    inside = cls.__module__.startswith("sweepjax.")
    return cls.__module__.rpartition(".")[2] if inside else f"{cls.__module__}:{cls.__qualname__}"


def describe(plug_in: Any) -> dict[str, Any]:
    """Return the name and the fields of a plug-in."""
    return _folded([plug_in])


def folded(items: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of items of one kind: once what all have in common, under "each" a list of what differs."""
    columns = {field: [getattr(item, field.name) for item in items] for field in dataclasses.fields(items[0])}
    return {field.name: _folded(values) for field, values in columns.items() if not unused(field, values)}


def unused(field: dataclasses.Field, values: Iterable[Any]) -> bool:
    """Whether a field that is told where it is used is left at its default, as if it were not there."""
    return WHERE_USED.items() <= field.metadata.items() and {*values} == {field.default}


def _folded(values: list[Any]) -> Any:
    if dataclasses.is_dataclass(values[0]):
        return {"name": name_of(values[0])} | folded(values)
    return values[0] if values.count(values[0]) == len(values) else {"each": values}


def digest(value: Any) -> str:
    """Return the first twelve hexadecimal digits of the SHA-256 of a value's canonical JSON."""
    return _digest([_canonical(value)])


def digest_of_each(items: Sequence[Any]) -> str:
    """Return the digest of the list of what each item is."""
    return digest_of_folded(folded(items), len(items))


def digest_of_folded(fields: Mapping[str, Any], count: int) -> str:
    """Return the digest of the list of so many items, of folded fields."""
    columns: list[list[Any]] = []
    template = _template(fields, columns)
    varying = zip(*map(_canonical_each, columns), strict=True) if columns else [()] * count
    texts = (template % each for each in varying)
    return _digest(chain(["[", next(texts)], (f",{text}" for text in texts), ["]"]))


def _digest(texts: Iterable[str]) -> str:
    hashed = hashlib.sha256()
    for text in texts:
        hashed.update(text.encode())
    return hashed.hexdigest()[:12]


def _template(value: Any, columns: list[list[Any]]) -> str:
    """Return the canonical JSON of folded fields with %s for what differs, which is added to `columns`."""
    if not isinstance(value, dict):
        return _canonical(value).replace("%", "%%")
    if value.keys() == {"each"}:
        columns.append(value["each"])
        return "%s"
    return "{" + ",".join(f"{_canonical(name)}:{_template(value[name], columns)}" for name in sorted(value)) + "}"


def _canonical_each(values: list[Any]) -> list[str]:
    if all(type(value) in (int, float) for value in values):
        return _canonical(values)[1:-1].split(",")  # as the next line, ten times as fast
    return [_canonical(value) for value in values]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
