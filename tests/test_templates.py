"""The plug-ins to start from, written and used as a user would."""

import subprocess
import sys
from pathlib import Path

import pytest
from command import SCRIPT
from sweepjax_cli import app

from sweepjax.templates import KINDS, write

README = Path(__file__).parent.parent / "README.md"


pytestmark = pytest.mark.usefixtures("here")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_own_test(kind, here):
    assert app(["new", kind, "my_own"]) == 0
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "test_my_own.py"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model", "Student"], "'Student' is no name of a Python module; give small letters"),
        (["model", "a/b"], "no name of a Python module"),
        (["model", "class"], "no name of a Python module"),
        (["solver", "jax"], "jax is the name of a module that is installed; give another, such as my_jax"),
        (["figure", "random"], "random is the name of a module that is installed"),
        (["modell", "a"], "unknown kind 'modell'; did you mean 'model'?"),
    ],
)
def test_a_name_that_is_none_is_refused(arguments, words, capsys, here):
    assert app(["new", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not list(here.iterdir())


def test_a_file_that_is_there_is_kept(capsys, here):
    (here / "test_student.py").write_text("mine")
    assert app(["new", "model", "student"]) == 2
    assert "test_student.py is there already" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["test_student.py"]


def test_a_folder_that_cannot_be_written_to_is_named():
    done = subprocess.run(
        [*SCRIPT, "new", "model", "student"], cwd="/proc", capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sweepjax: ")
    assert "Traceback" not in done.stderr


def test_the_model_of_the_readme_is_the_one_that_is_written(here):
    (student, _) = write("model", "student", here)
    code = README.read_text().partition("```python\nimport jax")[2].partition("```")[0]
    assert student.read_text() == "import jax" + code
