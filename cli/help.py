"""`sweepjax help`: a page on a topic, or the options of a command."""

import sys
from typing import Annotated, Any

import typer


def _offered() -> list[str]:
    from sweepjax.topics import topics  # noqa: PLC0415

    return [*topics()]


def help(
    context: typer.Context,
    topic: Annotated[
        str | None, typer.Argument(metavar="TOPIC", help="A topic, or a command.", autocompletion=_offered)
    ] = None,
) -> None:
    """Print a page on a topic: models, axes, files, cluster, statistics. Without one, list them."""
    from sweepjax.topics import check, page, topics  # noqa: PLC0415

    group: Any = context.parent.command if context.parent else None
    if topic is None:
        found = topics()
        lines = [f"{name:<{max(map(len, found))}}  {heading}" for name, heading in found.items()]
        typer.echo("\n".join([*lines, "", "sweepjax help TOPIC prints a page; sweepjax --help lists the commands"]))
    elif topic in getattr(group, "commands", {}) and topic not in topics():
        command = group.commands[topic]
        typer.echo(command.get_help(typer.Context(command, info_name=topic, parent=context.parent)))
    else:
        _print(page(check(topic)))


def _print(text: str) -> None:
    """Print Markdown: set on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty():
        typer.echo(text, nl=False)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.markdown import Markdown  # noqa: PLC0415

    console = Console()
    console.print(Markdown(text), width=min(console.width, 100))
