"""How a sweep is written down: options and TOML to the arguments of a Sweep, and back."""

import tomllib
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import tomli_w

from sweepjax.identity import name_of
from sweepjax.plugins import unknown
from sweepjax.sweep.contract import checked
from sweepjax.sweep.fields import as_typed, sweepable

STORED = ("chunk", "store")  # what the store adds to the same file
OPTIONS = ("model", "solver", "realizations", "until", "record", "observe", "stop", "zip")


def arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a Sweep: every name that is no option is taken for an axis."""
    axes = {"lam" if name == "lambda" else name: value for name, value in options.items() if name not in OPTIONS}
    if options.keys() >= {"lam", "lambda"}:
        raise ValueError("lam and lambda are the same axis; give one of them")
    plain = {name: READ.get(name, _unchanged)(value) for name, value in options.items() if name in OPTIONS}
    return plain | {"axes": tuple((name, _axis(name, value)) for name, value in axes.items())}


def from_toml(source: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the Sweep written in a TOML text, without what the store adds to it."""
    table = _parsed(source) if isinstance(source, str) else source
    options = {key: value for key, value in table.items() if key not in STORED}
    model = checked("models", _named(options.get("model", "logistic")))
    solver = checked("solvers", _named(options.get("solver", "limit")))
    known = [*OPTIONS, "lambda", *sweepable(model, solver)]
    for key in options:
        if key not in known:
            raise ValueError(unknown("key", key, known))
    return arguments(options)


def to_toml(fields: Mapping[str, Any]) -> str:
    """Return the TOML text of the arguments of a Sweep."""
    axes = {as_typed(name): _typed(text) for name, text in fields["axes"]}
    record = None if fields["record"] is None else _typed(fields["record"])
    last = {
        "until": fields["until"],
        "record": record,
        "observe": list(fields["observe"]) or None,
        "stop": fields["stop"] or None,
    }
    groups = [",".join(map(as_typed, group)) for group in fields["zip"]]
    last["zip"] = (groups[0] if len(groups) == 1 else groups) or None
    first = {name: fields[name] for name in ("model", "solver")}
    options = first | axes | {"realizations": fields["realizations"]} | last
    return tomli_w.dumps({key: value for key, value in options.items() if value is not None})


def joined(values: tuple[Any, ...]) -> str:
    """Return the text of several values."""
    return ",".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f"this is not TOML ({error}); a sweep is lines such as n = 400 or lambda = '0.4:0.6'"
        ) from None


def _typed(text: str) -> bool | int | float | str:
    """Return the truth value or number that a text is the very spelling of, or the text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            if str(kind(text)) == text:
                return kind(text)
        except ValueError:
            continue
    return text


def _axis(name: str, value: Any) -> str:
    """Return the axis text of a text, a number, or a list of these."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Real):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return ",".join(_axis(name, item) for item in value)
    raise ValueError(f"{as_typed(name)} = {value!r} is not allowed; give a number, a list or an axis such as '0.4:0.6'")


def _time(value: Any) -> float:
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"until = {value!r} is not allowed; give a number from 0")


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(_named(part).strip() for part in (value.split(",") if isinstance(value, str) else value))


def _condition(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError(f"stop = {value!r} is not allowed; give a text such as 'test_accuracy>=0.99'")


def _groups(value: Any) -> tuple[tuple[str, ...], ...]:
    """Return the groups of zipped fields: one where names are listed, or several, each names or a text."""
    items = [value] if isinstance(value, str) and value else value or []
    if not isinstance(items, list | tuple) or not all(_is_group(item) for item in items):
        raise ValueError(f"zip = {value!r} is not allowed; give names such as 'lambda,sigma', or a list of them")
    if items and all(isinstance(item, str) and "," not in item for item in items):
        items = [items]
    return tuple(tuple("lam" if name == "lambda" else name for name in _texts(item)) for item in items if item)


def _is_group(item: Any) -> bool:
    return isinstance(item, str) or (isinstance(item, list | tuple) and all(isinstance(name, str) for name in item))


def _unchanged(value: Any) -> Any:
    return value


def _named(value: Any) -> str:
    """Return the name of a plug-in, which may be given as the class or function itself."""
    if isinstance(value, str):
        return value
    name = name_of(value) if hasattr(value, "__qualname__") else ""
    if not name or "<" in name:
        raise ValueError(f"{value!r} is not allowed; give the name of a plug-in, package.module:Name or its class")
    return name


READ = {
    "model": _named,
    "solver": _named,
    "until": _time,
    "record": lambda value: _axis("record", value),
    "observe": _texts,
    "stop": _condition,
    "zip": _groups,
}
