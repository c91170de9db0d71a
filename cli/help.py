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
    """Print a page on a topic: models, networks, axes, files, cluster, statistics. Without one, list them."""
    from sweepjax.topics import check, page, topics  # noqa: PLC0415

    group: Any = context.parent.command if context.parent else None
    if topic is None:
        found = topics()
        lines = [f"{name:<{max(map(len, found))}}  {heading}" for name, heading in found.items()]
        _write("\n".join([*lines, "", "sweepjax help TOPIC prints a page; sweepjax --help lists the commands\n"]))
    elif topic in getattr(group, "commands", {}) and topic not in topics():
        command = group.commands[topic]
        _write(command.get_help(typer.Context(command, info_name=topic, parent=context.parent)) + "\n")
    else:
        _print(page(check(topic)))


def _write(text: str) -> None:
    # Typer's own way out writes UTF-8 where a terminal reads ASCII.
    sys.stdout.write(text)


def _print(text: str) -> None:
    """Print Markdown: set on a terminal, as it is elsewhere."""
    if not sys.stdout.isatty():
        _write(text)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.markdown import Markdown  # noqa: PLC0415

    console = Console()
    console.print(Markdown(text), width=min(console.width, 100))
