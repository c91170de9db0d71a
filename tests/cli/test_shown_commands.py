"""Every command line that the README and the pages of `sweepjax help` show is one that the commands take."""

import re
import shlex
from pathlib import Path

import pytest
import sweepjax_cli
import typer

from sweepjax.observed import canonical
from sweepjax.topics import page, topics

README = Path(__file__).parents[2] / "README.md"
BEGINS = re.compile(r"^\s*sweepjax (?!-)")


def shown(text):
    """Yield the command lines of a text: those of its blocks, and those between backticks."""
    spans = re.findall(r"`(sweepjax [^`]+)`", text)
    for line in [*text.splitlines(), *spans]:
        for part in re.split(r"\s&&\s|\s\|\s|\s&\s", line):
            command = re.split(r"\s{2,}", part.strip())[0]
            if BEGINS.match(part) and len(command.split()) > 2 and not re.search(r"\.\.\.|…|\w\|", command):
                yield command


COMMANDS = sorted({*shown(README.read_text()), *(line for topic in topics() for line in shown(page(topic)))})


def test_there_are_many():
    assert len(COMMANDS) > 50


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_is_shown_is_understood(line):
    name, *arguments = shlex.split(line, comments=True)[1:]
    group = typer.main.get_command(sweepjax_cli._commands())
    command = group.get_command(typer.Context(group), name)
    assert command is not None
    with command.make_context(name, list(arguments)):
        pass


def test_the_observables_that_the_help_of_run_shows_are_known():
    group = typer.main.get_command(sweepjax_cli._commands())
    option = next(each for each in group.get_command(typer.Context(group), "run").params if each.name == "observe")
    example = re.search(r"as in (\S+)\.$", option.help)[1]
    assert {canonical(name) for name in example.split(",")} == set(example.split(","))
