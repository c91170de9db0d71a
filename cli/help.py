"""`sweepjax help`: a page on a topic, the options of a command, or what is said of whatever can be named."""

import sys
from typing import Annotated, Any

import typer

WHERE = "`sweepjax help` lists the topics, and `sweepjax list KIND` names"
MORE = """\
sweepjax help TOPIC prints a page; sweepjax --help lists the commands
sweepjax help NAME says what a model, solver, observable, reducer, figure, preset or executor is, and its fields
"""


def _offered() -> list[str]:
    from sweepjax.named import every_name  # noqa: PLC0415
    from sweepjax.topics import topics  # noqa: PLC0415

    return [*topics(), *every_name()]


def help(
    context: typer.Context,
    topic: Annotated[
        str | None, typer.Argument(metavar="TOPIC", help="A topic, a command, or a name.", autocompletion=_offered)
    ] = None,
) -> None:
    """Print a page on a topic, or on whatever `sweepjax list` names. Without one, list the topics.

    Topics are models, networks, axes, files, cluster and statistics. Of a model, a solver, a reducer and so on the page
    says what it is, its fields with what is allowed, and its source; of a preset it is the text.
    """
    from sweepjax.named import described, every_name  # noqa: PLC0415
    from sweepjax.plugins import unknown  # noqa: PLC0415
    from sweepjax.topics import page, topics  # noqa: PLC0415

    group: Any = context.parent.command if context.parent else None
    if topic is None:
        found = topics()
        lines = [f"{name:<{max(map(len, found))}}  {heading}" for name, heading in found.items()]
        _write("\n".join([*lines, "", MORE]))
    elif topic in topics():
        _print(page(topic))
    elif topic in (commands := getattr(group, "commands", {})):
        _write(commands[topic].get_help(typer.Context(commands[topic], info_name=topic, parent=context.parent)) + "\n")
    elif ":" in topic or topic in every_name():
        _write(described(topic))
    else:
        raise ValueError(unknown("topic", topic, [*topics(), *commands, *every_name()], WHERE))


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
