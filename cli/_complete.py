"""What the Tab key offers: the names that an option takes, asked of the library."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import typer


def option(name: str, metavar: str, text: str, offer: Callable[..., list[str]]) -> Any:
    """Return an option for which the Tab key offers values."""
    return typer.Option(name, metavar=metavar, help=text, autocompletion=offer)


def plugins(kind: str) -> Callable[[], list[str]]:
    """Return what lists the plug-ins of a kind."""

    def listed() -> list[str]:
        from sweepjax.plugins import names  # noqa: PLC0415

        return names(kind)

    return listed


def presets() -> list[str]:
    """List the presets."""
    from sweepjax.presets import preset_names  # noqa: PLC0415

    return preset_names()


def quantities() -> list[str]:
    """List what `theory` knows."""
    from sweepjax.oracle import knowing  # noqa: PLC0415
    from sweepjax.theory.quantities import QUANTITIES  # noqa: PLC0415

    return [*QUANTITIES, *knowing()]


def observables(incomplete: str) -> list[str]:
    """List the observables, each after those that are typed already."""
    from sweepjax.plugins import names  # noqa: PLC0415

    before, comma, _ = incomplete.rpartition(",")
    return [before + comma + name for name in names("observables") if name not in before.split(",")]


def fields(context: typer.Context) -> list[str]:
    """List the fields of the model and the solver that the line names, those of the preset or the defaults."""
    from sweepjax.plugins import find  # noqa: PLC0415
    from sweepjax.sweep.fields import as_typed, sweepable  # noqa: PLC0415

    with suppress(ValueError):  # the line itself will say what is wrong with it
        model, solver = (find(f"{kind}s", name) for kind, name in _named(context).items())
        own = {parameter.name for parameter in context.command.params}
        return [f"{as_typed(name)}=" for name in sweepable(model, solver) if name not in own]
    return []


def options(context: typer.Context) -> list[str]:
    """List the options of the reducer that the line names; it is its last word that is none of an option."""
    import dataclasses  # noqa: PLC0415

    from sweepjax.plugins import find, names  # noqa: PLC0415

    named = [word for word in context.args if word in names("reducers")][-1:]
    return [f"{field.name}=" for name in named for field in dataclasses.fields(find("reducers", name))]


def _named(context: typer.Context) -> dict[str, str]:
    from sweepjax.plugins import names  # noqa: PLC0415
    from sweepjax.presets import preset  # noqa: PLC0415
    from sweepjax.sweep.sweep import Sweep  # noqa: PLC0415

    words = [*context.args, context.params.get("quantity")]  # `theory` takes a model as an argument
    given: dict[str, Any] = {"model": next((word for word in words if word in names("models")), None)}
    given |= context.params
    base = preset(given["preset"]) if given.get("preset") else Sweep()
    return {kind: given.get(kind) or getattr(base, kind) for kind in ("model", "solver")}
