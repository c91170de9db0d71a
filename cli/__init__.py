"""The command line: text to one library call and back to text, one file a command."""

import os
import pkgutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

import typer

from ._errors import exit_code
from ._surroundings import settle

SUMMARY = "Monte Carlo sweeps of solvable grokking systems: thousands of trainings at once, one certified row each."


def app(arguments: Sequence[str] | None = None) -> int:
    """Run a command (by default that of the process) and return its exit code."""
    settle()
    command = typer.main.get_command(_commands())
    code = exit_code(lambda: command.main(arguments, prog_name="sweepjax", standalone_mode=False))
    if arguments is None:
        _leave(code)
    return code


def _leave(code: int) -> None:
    """End the process at once: the usual way out waits for the computation in hand, and aborts on pyarrow's threads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _commands() -> typer.Typer:
    """Collect the commands: the function `run` of run.py, and so on."""
    commands = typer.Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
    commands.callback(help=SUMMARY)(_root)
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"):
        module = import_module(f".{name}", __name__)
        commands.command(name, context_settings=getattr(module, "SETTINGS", None))(getattr(module, name))
    return commands


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415  asked for once in a while

        typer.echo(version("sweepjax"))
        raise typer.Exit


def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Hold the options that belong to no command."""
