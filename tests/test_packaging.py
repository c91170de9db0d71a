"""What others install: the wheel, and the recipe for conda."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
ROOTS = {"sweepjax": "sweepjax", "cli": "sweepjax_cli"}  # as they are called once they are installed
RENAMED = {"matplotlib": "matplotlib-base"}  # on conda-forge
TINY = ("run", "--lambda", "0.5", "--n", "20", "--realizations", "4", "-o", "run")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of this checkout, as any front end builds it."""
    home = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, home)
    for name in ROOTS:
        shutil.copytree(CHECKOUT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", home / "made", home]
    subprocess.run(command, check=True)
    return next((home / "made").glob("*.whl"))


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (file for name in ROOTS for file in (CHECKOUT / name).rglob("*") if file.is_file())
    known = {file.relative_to(CHECKOUT) for file in files if "__pycache__" not in file.parts}
    assert packed == {f"{ROOTS[file.parts[0]]}/{file.relative_to(file.parts[0]).as_posix()}" for file in known}


def test_the_container_is_built_from_all_that_the_wheel_is():
    recipe = (CHECKOUT / "container" / "sweepjax.def").read_text()
    copied = re.search(r"^%files\n((?: +.*\n)+)", recipe, re.MULTILINE)[1].splitlines()
    pairs = [line.split() for line in copied]
    assert pairs == [[name, f"/opt/sweepjax/{name}"] for name in ("pyproject.toml", "README.md", *ROOTS)]
    assert all((CHECKOUT / source).exists() for source, _ in pairs)


def test_the_wheel_runs_where_nothing_else_of_the_project_is(wheel, tmp_path):
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", home, "install", "--quiet", "--no-deps", wheel], check=True
    )
    # What it depends on is that of this environment; another sweepjax there comes after its own.
    (packages / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")

    def said(*arguments):
        command = [home / "bin" / "sweepjax", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    where = [home / "bin" / "python", "-c", "import sweepjax, sweepjax_cli; print(sweepjax.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert Path(found.strip()).is_relative_to(home)
    assert "publish" in said("--help")
    said(*TINY)
    said("plot", "run", "-o", "run.png")
    said("report", "run", "-o", "report.html")
    said("explore", "run", "-o", "explore.html")
    said("publish", "run", "-o", "folder")
    assert "estimate_existence" in said("list", "presets")
    assert "realization" in said("help", "statistics")


@pytest.fixture(scope="module")
def recipe():
    """The recipe as the program that builds it reads it."""
    rattler_build = pytest.importorskip("rattler_build", reason="pip install '.[check]'")
    return rattler_build.Stage0Recipe.from_file(CHECKOUT / "recipe" / "recipe.yaml")


def test_the_recipe_keeps_to_its_schema_and_renders(recipe):
    (rendered,) = recipe.render()
    package = rendered.recipe.package
    assert (package.name, str(package.version)) == (PROJECT["name"], PROJECT["version"])


def test_a_recipe_with_another_word_would_be_refused(recipe):
    rattler_build = pytest.importorskip("rattler_build")
    text = (CHECKOUT / "recipe" / "recipe.yaml").read_text()
    with pytest.raises(rattler_build.RecipeParseError):
        rattler_build.Stage0Recipe.from_yaml(text.replace("requirements:", "requires:"))


def test_the_recipe_asks_for_what_the_project_depends_on(recipe):
    asked = recipe.to_dict()["requirements"]["run"]
    wanted = [re.fullmatch(r"([\w-]+)(.*)", each).groups() for each in PROJECT["dependencies"]]
    python = f"python {PROJECT['requires-python']}"
    assert asked == [python, *(f"{RENAMED.get(name, name)} {version}" for name, version in wanted)]
