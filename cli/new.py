"""`sweepjax new`: a plug-in of your own to start from."""

from pathlib import Path
from typing import Annotated

import typer


def _kinds() -> list[str]:
    from sweepjax.templates import KINDS  # noqa: PLC0415

    return [*KINDS]


def new(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="A model, solver, observable, reducer or figure.", autocompletion=_kinds),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the file, such as student for student.py.")],
) -> None:
    """Write NAME.py, a working example to change, and its test, in the current directory."""
    from sweepjax.templates import use, write  # noqa: PLC0415

    for path in write(kind, name, Path()):
        typer.echo(path)
    typer.echo(f"try it:  {use(kind, name)}", err=True)
    typer.echo(f"test it: pytest test_{name}.py", err=True)
