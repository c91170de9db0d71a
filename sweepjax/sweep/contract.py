"""What a class must be before it is taken for a model or a solver: decorated, complete, with names of its own.

The protocols of types.py say which methods there are, and how they are called.
"""

import dataclasses
import difflib
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from sweepjax.plugins import defined, find, takes
from sweepjax.protocols import Abilities, Finishing, Model, Observable, Once, Solver, Viewing
from sweepjax.sweep.axes import parse_axis
from sweepjax.sweep.times import CLOCKS
from sweepjax.types import field_types, is_plugin

TAKEN = (
    *("model", "solver", "seed", "realization", "realizations", "until", "record", "observe", "stop"),
    *("lambda", "zip", "time", "step", "chunk", "store"),
)
NEEDED = {
    "models": ("sample", "init"),
    "solvers": ("stages", "init", "waits", "info"),
    "observables": ("measure",),
}
PROTOCOLS: dict[str, tuple[type, ...]] = {
    "models": (Model, Abilities),
    "solvers": (Solver, Viewing),
    "observables": (Observable, Once, Finishing),
}


def checked(kind: str, name: str) -> Any:
    """Return the class a name stands for.

    Raises:
        ValueError: it is no model or solver; the message says where, and what is wanted.
    """
    if not isinstance(name, str):
        raise ValueError(f"{kind[:-1]} = {name!r} is not allowed; give its name, such as 'logistic' or 'my:Model'")
    cls = find(kind, name)
    _check_class(kind[:-1], name, cls)
    for protocol in PROTOCOLS[kind]:
        for method in methods(protocol):
            _check_method(kind, cls, protocol, method)
    _check_fields(kind, cls)
    return cls


def methods(protocol: type) -> list[str]:
    """List the methods and properties that a protocol declares."""
    kinds = (FunctionType, property)
    return [name for name, value in vars(protocol).items() if isinstance(value, kinds) and name[0] != "_"]


def wanted(protocol: type, method: str) -> str:
    """Return how a method is called and what it is to do, in the words of its protocol."""
    declared = getattr(protocol, method)
    does = (inspect.getdoc(declared) or "").partition("\n")[0].rstrip(".")
    call = "" if isinstance(declared, property) else f"({', '.join(map(_spelled, _arguments(declared)))})"
    return f"{method}{call} is to {does[:1].lower()}{does[1:]}"


def wrong(place: Any, sentence: str) -> ValueError:
    """Return the error that begins with the file and the line where a class or function is defined."""
    return ValueError(f"{defined(place)}: {sentence}")


def missing(kind: str, cls: type, method: str) -> str:
    """Return how a method that a class lacks is called, what it is to do, and which one may be meant for it."""
    protocol = next((each for each in PROTOCOLS[kind] if hasattr(each, method)), None)
    near = difflib.get_close_matches(method, [each for each in vars(cls) if each[0] != "_"], n=1)
    hint = f"; is {near[0]!r} meant for it?" if near else ""
    return (wanted(protocol, method) if protocol else method) + hint


def _check_class(what: str, name: str, cls: Any) -> None:
    if not isinstance(cls, type):
        raise ValueError(f"{name!r} is no plug-in: {what} {name.rpartition(':')[2]} is {_nature(cls)}; give a class")
    if not is_plugin(cls):
        base = next((base.__name__ for base in cls.__mro__[1:] if is_plugin(base)), "")
        inherits = f", which {base} has but does not pass on" if base else ""
        raise wrong(cls, f"{cls.__name__} is no plug-in; write @sweepjax.plugin above the class{inherits}")


def _nature(item: Any) -> str:
    if callable(item) and hasattr(item, "__qualname__"):
        return f"a function, defined in {defined(item)}"
    return f"an object of the type {type(item).__name__}"


def _check_fields(kind: str, cls: type) -> None:
    """Refuse fields and class variables that cannot mean what they are meant for."""
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if kind != "observables" and field.name in TAKEN:
            raise wrong(cls, f"{cls.__name__} has a field {field.name!r}, which is a name of every sweep; rename it")
        if kind == "observables" and field.default is dataclasses.MISSING:
            raise wrong(cls, f"field {field.name!r} of {cls.__name__} has no default; give it one")
    if kind == "solvers" and getattr(cls, "clock", None) not in CLOCKS:
        raise wrong(cls, f"solver {cls.__name__} has no clock; write `clock = ...`, one of: {', '.join(CLOCKS)}")
    if kind == "solvers" and cls.clock != "none" and not hasattr(cls, "params"):  # type: ignore[attr-defined]
        raise wrong(cls, f"solver {cls.__name__} lacks params; {missing(kind, cls, 'params')}")
    for name in ("figures", "effort"):
        said = getattr(cls, name, ())
        if isinstance(said, str) or not all(isinstance(each, str) for each in said):
            raise wrong(cls, f"{name} of {cls.__name__} is {said!r}; give a tuple of names, such as ('name',)")
    if kind == "observables" and hasattr(cls, "fact") and hasattr(cls, "measure"):
        raise wrong(cls, f"observable {cls.__name__} has both fact and measure; keep one, and write two observables")
    if kind == "models":
        _check_usual_axes(cls)


def _check_usual_axes(cls: type) -> None:
    usual, known = getattr(cls, "usual_axes", {}), [*field_types(cls), "lam", "seed"]
    if not (isinstance(usual, dict) and all(isinstance(text, str) for text in usual.values())):
        raise wrong(cls, f"usual_axes of {cls.__name__} is {usual!r}; give a dict such as {{'n': '10,20'}}")
    for name, text in usual.items():
        if name not in known:
            raise wrong(cls, f"usual_axes of {cls.__name__} names {name!r}, which is none of: {', '.join(known)}")
        try:
            parse_axis(text, kind=field_types(cls).get(name, float))
        except ValueError as error:
            raise wrong(cls, f"usual_axes of {cls.__name__}: {name}: {error}") from None


def _check_method(kind: str, cls: type, protocol: type, method: str) -> None:
    written, declared = inspect.getattr_static(cls, method, None), getattr(protocol, method)
    what = f"{cls.__name__}.{method}"
    if written is None:
        if method in NEEDED[kind] and not hasattr(cls, "fact"):
            raise wrong(cls, f"{kind[:-1]} {cls.__name__} lacks {method}; {missing(kind, cls, method)}")
        return
    if isinstance(declared, property):
        if callable(written):
            raise wrong(written, f"{what} is a method; write @property above it, as {wanted(protocol, method)}")
        return
    found = getattr(cls, method)
    if not callable(found):
        raise wrong(cls, f"{what} is no method; {wanted(protocol, method)}")
    if inspect.iscoroutinefunction(found):
        raise wrong(found, f"{what} is async; write def, as everything is traced by JAX")
    count = len(_arguments(declared)) + (not isinstance(written, (staticmethod, classmethod)))
    if not takes(found, count) and not (method == "facts" and takes(found, count - 1)):
        raise wrong(found, f"{what} takes {inspect.signature(found)}, but {wanted(protocol, method)}")


def _arguments(declared: Callable[..., Any]) -> list[inspect.Parameter]:
    return [parameter for name, parameter in inspect.signature(declared).parameters.items() if name != "self"]


def _spelled(parameter: inspect.Parameter) -> str:
    default = "" if parameter.default is parameter.empty else f"={parameter.default}"
    return f"{parameter.name}{default}"
