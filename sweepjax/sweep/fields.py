"""What a sweep may vary: the fields of a model and a solver, the seed, and λ = d/n.

An integer, text or truth value is shape, each value its own compiled program; a float field is traced.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sweepjax.identity import name_of, unused
from sweepjax.plugins import defined, find, names, outside, unknown
from sweepjax.sweep.axes import expand
from sweepjax.sweep.contract import missing, wrong
from sweepjax.types import Allowed, field_types, is_plugin

ASPECT = ("lam", "n", "d")


class Field(NamedTuple):
    """What an axis may hold: the type of its values, which are allowed, and the default."""

    kind: type
    allowed: Allowed
    default: Any

    def values(self, name: str, text: str | None) -> tuple[Any, ...]:
        """Return the values a text stands for, ascending and each once; the default if there is no text."""
        return tuple(sorted(set(self.listed(name, text))))

    def listed(self, name: str, text: str | None) -> list[Any]:
        """Return the values a text stands for in the order typed, all of them allowed."""
        try:
            values = [self.default] if text is None else expand(text, self.kind)
        except ValueError as error:
            raise ValueError(f"{as_typed(name)}: {error}") from None
        for value in values:
            self.check(name, value)
        return values

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that is not allowed."""
        if value is dataclasses.MISSING:
            raise ValueError(f"{name} has no default; give --set {name}=AXIS")
        if not self.allowed.admits(value):
            shown = repr(value) if self.kind is str else spelled(value)
            numbers = "" if self.allowed.choices else "numbers "
            raise ValueError(f"{as_typed(name)} = {shown} is not allowed; give {numbers}{self.allowed}")


SEED = Field(int, Allowed(at_least=0, below=2**32), 0)
LAM = Field(float, Allowed(above=0), None)


def as_typed(name: str) -> str:
    """Return the name of a field as users type it."""
    return "lambda" if name == "lam" else name


def fields_of(cls: Any) -> dict[str, Field]:
    """Return the fields of a plug-in, in its own order."""
    if not is_plugin(cls):
        raise ValueError(f"{cls!r} is no plug-in; decorate the class with sweepjax.plugin")
    return {field.name: _field(field, field_types(cls)[field.name]) for field in dataclasses.fields(cls)}


def _field(field: dataclasses.Field, kind: type) -> Field:
    default = field.default if field.default is dataclasses.MISSING else kind(field.default)
    return Field(kind, field.metadata.get("allowed", Allowed()), default)


def used_axes(plugins: Sequence[Any], values: Mapping[str, Any], without: Sequence[str]) -> dict[str, Any]:
    """Return the axes that say what a sweep is: without some, and those of later fields that keep their defaults."""
    every = [field for cls in plugins for field in dataclasses.fields(cls)]
    idle = {field.name for field in every if field.name in values and unused(field, values[field.name])}
    return {name: axis for name, axis in values.items() if name not in {*idle, *without}}


def sweepable(model: Any, solver: Any) -> dict[str, Field]:
    """Return every field that can have an axis, by name."""
    mine, others = fields_of(model), solver_fields(model, solver)
    if shared := [name for name in mine if name in others]:
        named = f"model {name_of(model)!r} ({defined(model)}) and solver {name_of(solver)!r} ({defined(solver)})"
        yours = "solver" if outside(solver) and not outside(model) else "model"
        raise ValueError(f"{shared[0]} is a field of both {named}; rename that of the {yours}")
    own = mine | others | {"seed": SEED}
    sides = [mine[side].kind for side in ("n", "d") if side in mine]
    means = getattr(model, "aspect", True) and "lam" not in own
    return {"lam": LAM, **own} if sides == [int, int] and means else own


def solver_fields(model: Any, solver: Any) -> dict[str, Field]:
    """Return the fields of a solver that can have an axis: those whose names the model takes keep their defaults."""
    taken = set(getattr(model, "overrides", ())) & fields_of(model).keys()
    return {name: field for name, field in fields_of(solver).items() if name not in taken}


def completed(texts: dict[str, str], fields: dict[str, Field], usual: Mapping[str, str]) -> dict[str, str]:
    """Return the axis texts with those that are missing supplied, two of lam, n and d in all.

    Args:
        texts: the axes as typed.
        fields: every field that can have an axis.
        usual: the axes of a model for which none are typed; every other field has one value, its default.
    """
    asked = dict(texts)
    for name, text in usual.items():
        if name not in asked and not (has_aspect(fields) and name in ASPECT and _decided(asked, name)):
            asked[name] = text
    for side in ("n", "d") if has_aspect(fields) else ():
        if side not in asked and not _decided(asked, side):
            fields[side].check(side, fields[side].default)
            asked[side] = str(fields[side].default)
    return asked


def _decided(asked: Mapping[str, str], name: str) -> bool:
    """Whether one of lam, n and d has nothing left to decide; λ does not where d is given."""
    return len(asked.keys() & set(ASPECT)) > 1 or (name == "lam" and "d" in asked)


def has_aspect(fields: dict[str, Field]) -> bool:
    """Whether λ = d/n has a meaning: the model has integers n and d."""
    return fields.get("lam") is LAM


def summary(name: str, values: Sequence[Any]) -> str:
    """Say what an axis expanded to, in a line."""
    texts = [spelled(value) for value in values]
    few = ", ".join(texts) if len(texts) <= 6 else f"{texts[0]} to {texts[-1]}"
    return f"{name} {few}" + (f", {len(texts)} points" if len(texts) > 6 else "")


def spelled(value: Any) -> str:
    """Return a value as it is typed and shown."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else f"{value:.12g}"


def check_names(axes: tuple[tuple[str, str], ...], fields: dict[str, Field], model: str) -> None:
    """Refuse axes that are unknown, given twice, or all three of lam, n and d."""
    given = [name for name, _ in axes]
    if "lam" in given and "lam" not in fields:
        raise ValueError(f"model {model!r} lacks n or d, so lambda = d/n has no meaning; vary: {', '.join(fields)}")
    for name in given:
        if name not in fields:
            raise ValueError(unknown("field", name, list(fields)))
        if given.count(name) > 1:
            raise ValueError(f"{as_typed(name)} is given twice; join its values by commas")
    if has_aspect(fields) and set(given) >= set(ASPECT):
        raise ValueError("lambda, n and d are all given; lambda = d/n, so give at most two of them")


def check_ability(model: tuple[str, Any], solver: tuple[str, Any]) -> None:
    """Refuse a solver that needs a method the model lacks; each is given as (name, class)."""
    for method in _needed(solver[1]):
        if not hasattr(model[1], method):
            fitting = [name for name in names("solvers") if _fits(model[1], find("solvers", name))]
            where = f" ({defined(solver[1])})" if outside(solver[1]) else ""
            need = f"solver {solver[0]!r}{where} needs {method}, which model {model[0]!r} lacks"
            way = "choose one of: " + ", ".join(fitting) if fitting else "no built-in solver does without it"
            if outside(model[1]):
                raise wrong(model[1], f"{need}; {way}, or write it: {missing('models', model[1], method)}")
            raise ValueError(f"{need}; {way}")


def _needed(solver: Any) -> list[str]:
    """List the methods of a model that a solver calls."""
    needs = [solver.needs] if hasattr(solver, "needs") else []
    return needs if solver.clock == "none" else [*needs, "metrics"]


def _fits(model: Any, solver: Any) -> bool:
    return all(hasattr(model, method) for method in _needed(solver))


def check_default(model: tuple[str, Any], solver: tuple[str, Any], values: dict[str, tuple[Any, ...]]) -> None:
    """Refuse values of the model's fields at which the method the solver needs does not exist."""
    needs = getattr(solver[1], "needs", None)
    for name, field in fields_of(model[1]).items():
        if needs in field.allowed.rules_out and values[name] != (field.default,):
            given = ", ".join(str(value) for value in values[name][:6])
            raise ValueError(
                f"{name} = {given} is not allowed with solver {solver[0]!r}, whose {needs} model {model[0]!r} has only "
                f"at {name} = {field.default}; leave {name} out or choose another solver"
            )
