"""Imports point downstairs only."""

import ast
import dataclasses
from pathlib import Path

import pytest
import sweepjax_cli

import sweepjax
from sweepjax.plugins import find, names

FLOORS = [
    ["identity", "tolerances"],
    ["types"],
    ["protocols", "plugins", "primitives", "theory"],
    ["keys", "observed", "sources"],
    ["columns", "sweep", "models", "solvers", "observables", "executors"],
    ["engine", "oracle", "store", "presets", "reducers"],
    [
        "run",
        "plan",
        "target",
        "limit",
        "observe",
        "adaptive",
        "solve",
        "batch",
        "recheck",
        "figures",
        "templates",
        "topics",
        "look",
        "named",
    ],
    ["report", "publish", "explore", "doctor"],
    ["cli", "__main__"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
HOME = Path(sweepjax.__file__).parent
CLI = Path(sweepjax_cli.__file__).parent
FILES = [file for home in (HOME, CLI) for file in sorted(home.rglob("*.py")) if file != HOME / "__init__.py"]


def room(file):
    return "cli" if CLI in file.parents else file.relative_to(HOME).parts[0].removesuffix(".py")


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.startswith("sweepjax."))


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{room(file)}/{file.name}")
def test_a_file_imports_its_own_room_or_a_lower_floor(file):
    here = room(file)
    for other in (name.split(".")[1] for name in imported(file)):
        assert other == here or FLOOR[other] < FLOOR[here], f"{here} imports {other}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{room(file)}/{file.name}")
def test_nothing_outside_a_room_imports_what_begins_with_an_underscore(file):
    others = [name.split(".") for name in imported(file) if name.split(".")[1] != room(file)]
    private = [".".join(words) for words in others if any(word.startswith("_") for word in words)]
    assert not private, f"{room(file)} imports {private[0]}"


def choices_of(plug_in):
    """The texts that fields of a plug-in may have; some are called like a plug-in."""
    allowed = [field.metadata["allowed"] for field in dataclasses.fields(plug_in) if "allowed" in field.metadata]
    return {choice for each in allowed for choice in each.choices}


@pytest.mark.parametrize("place", ["figures", "reducers", "report"])
def test_no_figure_reducer_or_report_names_a_model_or_a_solver(place):
    every = [(kind, name) for kind in ("models", "solvers") for name in names(kind)]
    known = {name for _, name in every} - {choice for each in every for choice in choices_of(find(*each))}
    for file in (file for file in FILES if room(file) == place):
        texts = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
        assert not known & {text for text in texts if isinstance(text, str)}, file.name


def test_every_room_has_its_floor():
    rooms = {room(file) for file in FILES}
    assert rooms == set(FLOOR)


def test_only_the_command_line_knows_typer():
    assert not [file for file in FILES if room(file) != "cli" and "typer" in file.read_text()]


def test_only_keys_makes_a_key():
    makers = ("jax.random.key(", "jax.random.PRNGKey(", "jax.random.wrap_key_data(")
    assert {file.name for file in FILES for maker in makers if maker in file.read_text()} == {"keys.py"}


def test_no_file_evaluates_text():
    calls = [node for file in FILES for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("eval", "exec")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{room(file)}/{file.name}")
def test_no_file_is_longer_than_a_few_screens(file):
    assert len(file.read_text().splitlines()) <= 250
