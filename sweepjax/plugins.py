"""A name is a file: models, solvers, observables, reducers, figures and executors are found by name."""

import difflib
import importlib
import pkgutil
from typing import Any


def names(kind: str) -> list[str]:
    """List the built-in plug-ins of a kind, such as "models"."""
    package = importlib.import_module(f"sweepjax.{kind}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def find(kind: str, name: str) -> Any:
    """Return the plug-in a name stands for: the public object its file is named after.

    `gradient_flow` is the class GradientFlow or the function gradient_flow of gradient_flow.py;
    `package.module:Name` reaches code from outside.

    Raises:
        ValueError: no such plug-in; the message names the nearest one.
    """
    if ":" in name:
        return _outside(name)
    if name not in names(kind):
        raise ValueError(unknown(kind[:-1], name, names(kind)))
    module = importlib.import_module(f"sweepjax.{kind}.{name}")
    camel = "".join(word.capitalize() for word in name.split("_"))
    return getattr(module, camel, None) or getattr(module, name)


def unknown(what: str, name: str, known: list[str]) -> str:
    """Return the sentence that says a name is unknown and which is nearest."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}choose one of: {', '.join(known)}"


def _outside(name: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"cannot import {name!r} ({error}); give package.module:Name of an importable class") from None
