"""`sweepjax list`: what can be named on the command line."""

import inspect
from typing import Annotated

import typer

KINDS = ("models", "solvers", "observables", "reducers", "figures", "presets", "executors")


def list(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="One of: " + ", ".join(KINDS) + ".", autocompletion=lambda: [*KINDS])
    ],
) -> None:
    """List what can be named, with a line on each."""
    from sweepjax.plugins import unknown  # noqa: PLC0415

    if kind not in KINDS:
        raise ValueError(unknown("kind", kind, [*KINDS]))
    found = _presets() if kind == "presets" else _plugins(kind)
    for name, line in found.items():
        typer.echo(f"{name:<{max(map(len, found))}}  {line}")


def _presets() -> dict[str, str]:
    from sweepjax.presets import preset_names, preset_summary  # noqa: PLC0415

    return {name: preset_summary(name) for name in preset_names()}


def _plugins(kind: str) -> dict[str, str]:
    from sweepjax.plugins import find, names  # noqa: PLC0415

    return {name: (inspect.getdoc(find(kind, name)) or "").partition("\n")[0] for name in names(kind)}
