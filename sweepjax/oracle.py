"""What theory knows of a point before anything is computed: limits of losses and accuracies, who generalizes, and when.

A model says so itself, by `limit_known` or else by `limits`.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from sweepjax.plugins import find, names
from sweepjax.sweep.fields import ASPECT, spelled
from sweepjax.sweep.sweep import Sweep

GENERALIZES = "generalizes"  # the share of draws whose final accuracy on fresh data passes; 0: cannot
SOLVER = "gradient_flow"  # any will do
ABILITIES = ("limit_known", "limits")  # methods of a model, the first that it has is asked
MOST = 1000  # points of a plan that are looked at


def known(model: Any) -> dict[str, float]:
    """Return what a model knows of its own limit; nothing if it knows none."""
    ability = next((getattr(model, name) for name in ABILITIES if hasattr(model, name)), dict)
    return ability()


def knowing() -> list[str]:
    """List our models that know something of their limits."""
    return [name for name in names("models") if any(hasattr(find("models", name), each) for each in ABILITIES)]


def foretold(sweep: Sweep) -> Iterator[tuple[dict[str, Any], dict[str, float]]]:
    """Yield the fields of each point that vary, and what is known of it; each model once."""
    seen = {}
    for task in sweep.tasks():
        if task.model not in seen:
            seen[task.model] = None
            yield _varying(task.model, sweep), known(task.model)


def table(model: str, axes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a line for each point of a model of which anything is known, its fields first."""
    sweep = Sweep.from_toml({"model": model, "solver": SOLVER, "until": 1.0, **axes})
    return [point | limits for point, limits in foretold(sweep) if limits]


def sentences(sweep: Sweep, most: int = 6) -> list[str]:
    """Say what is known of the first points of a sweep, and of how many it is known that they cannot generalize."""
    if sweep.points > MOST:
        found = list(islice(foretold(sweep), most))
        return [sentence(*each) for each in found if each[1]]
    found = [each for each in foretold(sweep) if each[1]]
    never = sum(limits.get(GENERALIZES, 1) == 0 for _, limits in found)
    lines = [sentence(*each) for each in found[:most]]
    lines += [f"and {len(found) - most} more points"] if len(found) > most else []
    return [*lines, f"{never} of {len(found)} points cannot generalize"] if never else lines


def sentence(point: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    """Say what is known of a point in one line."""
    where = ", ".join(f"{name} {spelled(value)}" for name, value in point.items())
    what = ["cannot generalize"] if limits.get(GENERALIZES, 1) == 0 else []
    what += [f"{name} {value:.4g}" for name, value in limits.items() if name != GENERALIZES or value]
    return f"{where or 'the only point'}: {', '.join(what)}"


def _varying(model: Any, sweep: Sweep) -> dict[str, Any]:
    """Return the fields of a model that have more than one value in a sweep; λ, n and d together."""
    several = {name for name, values in sweep.values.items() if len(values) > 1}
    several |= set(ASPECT) if sweep.shapes and several & set(ASPECT) else set()
    own = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    own = {"lam": model.d / model.n} | own if sweep.shapes else own
    return {name: value for name, value in own.items() if name in several}
