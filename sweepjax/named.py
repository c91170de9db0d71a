"""What can be named on the command line, described: a plug-in with its fields, or a preset with its text."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from sweepjax.plugins import find, names, options, outside
from sweepjax.presets import preset_names, preset_text
from sweepjax.sweep.fields import Field, fields_of, spelled
from sweepjax.types import Allowed, is_plugin

KINDS = {
    "models": ("a model", "--set FIELD=AXIS"),
    "solvers": ("a solver", "--set FIELD=AXIS"),
    "observables": ("an observable", "--observe NAME:FIELD=VALUE"),
    "reducers": ("a reducer", "--set FIELD=VALUE"),
    "figures": ("a figure", ""),
    "executors": ("an executor", "--executor NAME:FIELD=VALUE"),
}
REMARK = re.compile(r"^\s+(\w+): \w+ = [^#\n]*  # (.*)$", re.MULTILINE)  # a field, and the comment beside it
WIDEST = 30  # of a column of a table: a longer text moves what comes after it
WITHOUT_BOUNDS = {bool: "true or false", str: "text", int: "any whole number", float: "any number"}


class Line(NamedTuple):
    """What is said of a field."""

    name: str
    symbol: str
    default: str
    allowed: str
    remark: str


def every_name() -> list[str]:
    """List what can be described, but for code from outside."""
    return sorted({name for kind in KINDS for name in names(kind)} | {*preset_names()})


def described(name: str) -> str:
    """Return what a name stands for: of each kind that has it, what it is, its fields and its source.

    Raises:
        ValueError: package.module:Name cannot be imported.
    """
    if ":" in name:
        return _page(name, "code of your own", "", find("models", name))
    pages = [_page(name, *said, find(kind, name)) for kind, said in KINDS.items() if name in names(kind)]
    if name in preset_names():
        pages.append(f"{name}, a preset\n\n{_indented(preset_text(name).splitlines())}")
    return "\n".join(pages)


def _page(name: str, what: str, option: str, item: Any) -> str:
    module = "" if outside(item) else inspect.getdoc(sys.modules[item.__module__]) or ""
    own = inspect.getdoc(item) or ""
    # The one line of a file says less than its class does.
    texts = [own, module] if "\n" in module else [own or module]
    parts = [f"{name}, {what}", *filter(None, texts)]
    if lines := [*_lines(item)]:
        parts += [f"Fields, given by {option}:" if option else "Fields:", _indented(_table(lines))]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _lines(item: Any) -> Iterator[Line]:
    if not (isinstance(item, type) and dataclasses.is_dataclass(item)):
        return
    symbols = {field.name: field.metadata.get("symbol", "") for field in dataclasses.fields(item)}
    found, remarks = fields_of(item) if is_plugin(item) else _plain(item), _remarks(item)
    for name, field in found.items():
        default = "" if field.default is dataclasses.MISSING else spelled(field.default)
        yield Line(
            name, symbols[name], default, str(field.allowed) or WITHOUT_BOUNDS[field.kind], remarks.get(name, "")
        )


def _plain(cls: Any) -> dict[str, Field]:
    """Return the fields of a reducer or an executor."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    return {name: Field(kind, Allowed(), defaults[name]) for name, kind in options(cls).items()}


def _remarks(cls: type) -> dict[str, str]:
    """Return the comments beside the fields of a class and of what it inherits from, where there is source."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__[:-1]):
        with suppress(OSError, TypeError):
            found |= REMARK.findall(inspect.getsource(each))
    return found


def _table(lines: list[Line]) -> list[str]:
    """Return lines whose columns stand below one another; a column without texts is left out."""
    columns = [column for column in zip(*lines, strict=True) if any(column)]
    widths = [max((len(text) for text in column if len(text) <= WIDEST), default=0) for column in columns]
    return ["  ".join(map(str.ljust, line, widths)) for line in zip(*columns, strict=True)]


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}".rstrip() for line in lines) + "\n"
