"""What the pages of results/ say is what results/ holds, and `results/rebuild.py` does what it says."""

import ast
import importlib
import inspect
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sweepjax.plugins import names
from sweepjax.presets import preset_names

RESULTS = Path(__file__).parent.parent / "results"
SCRIPT = RESULTS / "rebuild.py"
REBUILD = runpy.run_path(str(SCRIPT))
COMMANDS = REBUILD["commands"](REBUILD["pages"]())
RUNS = [command for command in COMMANDS if command.made]
OTHERS = [command for command in COMMANDS if not command.made]

PAGE = """# Three commands

```
sweepjax run --preset two_point -o results/run        # a minute
sweepjax plot results/run -o results/run/picture.png
python results/write.py results/table/table.csv  # what fails is tried
python results/write.py
```
"""
WRITE = "import pathlib, sys\npathlib.Path(sys.argv[1]).write_text('made')\n"


def kept():
    """The files of results/ that belong to the repository."""
    listing = ["git", "-C", str(RESULTS), "ls-files"]
    told = subprocess.run(listing, capture_output=True, text=True, check=False)
    if told.returncode:
        pytest.skip("not a checkout")
    return {f"results/{line}" for line in told.stdout.splitlines()}


def following(word):
    """What comes after a word in all commands."""
    return {command.words[command.words.index(word) + 1] for command in COMMANDS if word in command.words}


@pytest.fixture
def folder(tmp_path):
    """A folder of results with its own page, and no rows."""
    home = tmp_path / "results"
    (home / "table").mkdir(parents=True)
    shutil.copy(SCRIPT, home)
    (home / "README.md").write_text(PAGE)
    (home / "write.py").write_text(WRITE)
    return home


def rebuilt(folder, *names):
    command = [sys.executable, str(folder / "rebuild.py"), *names]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_picture_table_and_page_that_is_kept_is_written_by_a_command():
    made = {path for command in OTHERS for path in command.written}
    assert not [path for path in kept() - made if path.endswith((".png", ".csv", ".html")) and "benchmarks" not in path]


def test_every_page_is_linked_and_every_picture_that_is_shown_is_kept():
    files, first = kept(), (RESULTS / "README.md").read_text()
    pages = {path.removeprefix("results/") for path in files if re.fullmatch(r"results/\w+\.md", path)}
    linked = set(re.findall(r"\]\((\w+\.md)\)", first))
    assert pages - {"README.md", "reliability.md"} <= linked
    shown = {picture for page in pages for picture in re.findall(r"!\[.*?\]\(([^)]+)\)", (RESULTS / page).read_text())}
    assert len(shown) > 15
    assert {f"results/{picture}" for picture in shown} <= files


def test_every_link_leads_somewhere():
    for page in (RESULTS.parent / "README.md", RESULTS.parent / "CHANGELOG.md", *RESULTS.rglob("*.md")):
        for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page.read_text()):
            target = page.parent / path if path else page
            assert target.exists(), f"{page.name}: {path}"
            assert not anchor or anchor in anchors(target.read_text()), f"{page.name}: {path}#{anchor}"


def anchors(text):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_that_is_named_is_there():
    paths = {word for command in OTHERS for word in command.words if word.startswith("results/")}
    named = paths - {directory for command in OTHERS for directory in command.directories}
    assert not [path for path in named if not (RESULTS.parent / path).is_file()]


def test_every_script_that_is_kept_is_used():
    used = {word for command in OTHERS for word in command.words}
    assert not [path for path in kept() - used if path.endswith(".py") and path != "results/rebuild.py"]


def test_every_directory_that_is_read_has_one_run_that_makes_it():
    made = [command.made for command in RUNS]
    assert len(made) == len(set(made))
    merged = {directory for command in RUNS for directory in command.directories if directory != command.made}
    assert set(made) == merged | {directory for command in OTHERS for directory in command.directories}


def test_no_file_is_written_twice():
    written = [path for command in OTHERS for path in command.written]
    assert len(written) == len(set(written))


def test_commands_need_no_shell():
    assert {command.words[0] for command in COMMANDS} == {"sweepjax", "python"}
    assert not [command for command in COMMANDS if set("*?$;|&<>") & set("".join(command.words))]


def test_presets_figures_and_reducers_that_are_named_exist():
    reducers = {command.words[len(command.directories) + 2] for command in OTHERS if command.words[1] == "reduce"}
    assert following("--preset") <= set(preset_names())
    assert following("--figure") <= set(names("figures"))
    assert reducers <= set(names("reducers"))


def test_the_slowest_trainings_are_counted_among_those_that_have_not_crossed():
    table = pd.read_csv(RESULTS / "exponential_times" / "grokking_time.csv").set_index("lam")
    late = table.loc[[0.45, 0.47, 0.48, 0.49]]
    assert late["left_out"].tolist() == [0, 0, 0, 0]
    assert late["censored_test"].tolist() == [6, 20, 28, 41]
    medians = late[["sqrt_log_ratio", "sqrt_log_ratio_low", "sqrt_log_ratio_high"]].loc[0.47:].to_numpy()
    np.testing.assert_allclose(medians, [[3.51, 3.13, 3.99], [4.19, 3.60, 5.28], [5.36, 3.96, np.inf]], atol=5e-3)
    below = table.index < 0.5
    slope, _ = np.polyfit(np.log1p(-2 * table.index[below]), table["sqrt_log_ratio"][below], 1)
    assert slope == pytest.approx(-1.33, abs=5e-3)


def test_what_has_no_rows_is_skipped_and_its_run_is_named(folder):
    told = rebuilt(folder, "run")
    assert told.returncode == 0
    assert "skipped, no rows in results/run: sweepjax plot results/run" in told.stdout
    assert "runs that make the missing rows: 1\n  sweepjax run --preset two_point -o results/run\n" in told.stdout


def test_what_fails_is_named_and_the_rest_is_made(folder):
    told = rebuilt(folder)
    assert told.returncode == 1
    assert "failed: 1\n  python results/write.py\n" in told.stdout
    assert (folder / "table" / "table.csv").read_text() == "made"


def test_a_name_keeps_what_is_written_to_it(folder):
    told = rebuilt(folder, "table")
    assert told.returncode == 0
    assert "rebuilt: 1\n  results/table/table.csv\n" in told.stdout
    assert "skipped: 0" in told.stdout


def test_a_name_that_nothing_is_written_to_is_refused_with_those_there_are(folder):
    told = rebuilt(folder, "tables")
    assert told.returncode == 1
    assert "writes to tables; choose of: run, table" in told.stderr


def imported(tree):
    """What a script has from the package, by the names that it gives them."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sweepjax"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found = getattr(module, alias.name, None) or importlib.import_module(below)
                names[alias.asname or alias.name] = found
        if isinstance(node, ast.Import):
            names |= {each.asname: importlib.import_module(each.name) for each in node.names if each.name == "sweepjax"}
    return names


def called(call, names):
    """What a call calls, if it is from the package."""
    match call.func:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in names:
            return getattr(names[name], attribute)
    return None


@pytest.mark.parametrize("script", sorted(RESULTS.glob("*.py")), ids=lambda script: script.stem)
def test_a_script_calls_the_package_as_it_is_to_be_called(script):
    tree = ast.parse(script.read_text())
    names = imported(tree)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        plain = not any(isinstance(each, ast.Starred) for each in call.args) and all(each.arg for each in call.keywords)
        if plain and (function := called(call, names)):
            inspect.signature(function).bind(*call.args, **{each.arg: each.value for each in call.keywords})
