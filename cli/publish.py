"""`sweepjax publish`: a folder for a repository or a data hub."""

from pathlib import Path
from typing import Annotated

import typer

from ._errors import say


def publish(
    directories: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Directories that `run` made.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FOLDER", help="A new folder.")],
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Default: the folder's name.")] = None,
    author: Annotated[list[str], typer.Option(metavar="NAME", help="Who publishes; repeatable.")] = [],  # noqa: B006
    license: Annotated[str, typer.Option(metavar="SPDX", help="Such as CC-BY-4.0.")] = "",
) -> None:
    """Write a folder that a repository or a data hub takes as it is.

    It holds the rows, byte for byte, with the command that made them; a data card; RO-Crate and Croissant metadata; a
    citation; checksums. Anybody checks it by `sweepjax verify FOLDER --recheck 1000`.
    """
    from sweepjax.publish.folder import About  # noqa: PLC0415
    from sweepjax.publish.folder import publish as library  # noqa: PLC0415
    from sweepjax.store.paths import locate  # noqa: PLC0415

    about = About(title or out.resolve().name, tuple(author), license)
    for remark in library([locate(path) for path in directories], out, about):
        say(remark)
    typer.echo(out)
