"""What is observed of a training: the name of an observable, with options as in `loss_slices:direction=end`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from sweepjax.plugins import bare, find, unknown
from sweepjax.types import Allowed, Task, field_types

WORDS = {int: "a whole number", float: "a finite number", bool: "true or false", str: "a text"}
TRUTH = {"true": True, "false": False}


def observables_of(task: Task) -> dict[str, Any]:
    """Return what a task observes, by the names of its columns."""
    return {column_of(text): observable(text) for text in task.observables}


def is_fact(text: str) -> bool:
    """Whether an observable is of the dataset alone, and needs no training."""
    return hasattr(find("observables", text), "fact")


def column_of(text: str) -> str:
    """Return the column of an observable: the last part of its name."""
    return bare(text).rpartition(":")[2]


def observable(text: str) -> Any:
    """Return the observable that a name with options stands for.

    Raises:
        ValueError: there is no such observable or option, or the value is not allowed; the message says what is.
    """
    cls = find("observables", text)
    return cls(**{name: _value(cls, name, value) for name, value in _options(text).items()})


def check_columns(texts: Sequence[str]) -> None:
    """Refuse two observables of one column."""
    spelled: dict[str, str] = {}
    for text in texts:
        other = spelled.setdefault(column_of(text), canonical(text))
        if other != canonical(text):
            raise ValueError(f"{other} and {text} are both the column {column_of(text)}; observe one of them")


def canonical(text: str) -> str:
    """Return the one spelling of an observable: its options in order, those at their defaults left out."""
    asked = observable(text)
    changed = {
        field.name: getattr(asked, field.name)
        for field in dataclasses.fields(asked)
        if getattr(asked, field.name) != field.default
    }
    return ":".join([bare(text), *(f"{name}={_spelled(value)}" for name, value in changed.items())])


def _options(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(":") if "=" in part]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _value(cls: type, name: str, text: str) -> Any:
    kinds = field_types(cls)
    if name not in kinds:
        has = unknown("option", name, [*kinds]) if kinds else f"it has no options, {name!r} among them"
        raise ValueError(f"observable {cls.__name__}: {has}")
    allowed = next(each.metadata.get("allowed", Allowed()) for each in dataclasses.fields(cls) if each.name == name)
    try:
        value = _read(text, kinds[name])
    except ValueError:
        raise ValueError(f"observable {cls.__name__}: {name} = {text!r}; give {WORDS[kinds[name]]}") from None
    if not allowed.admits(value):
        raise ValueError(f"observable {cls.__name__}: {name} = {text} is not allowed; give {allowed}")
    return value


def _read(text: str, kind: type) -> Any:
    value = TRUTH.get(text.lower()) if kind is bool else kind(text)
    if value is None or (kind is float and not math.isfinite(value)):
        raise ValueError
    return value


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
