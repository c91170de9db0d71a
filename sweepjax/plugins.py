"""A name is a file: models, solvers, observables, reducers, figures and executors are found by name.

Code from outside is reached by package.module:Name, in the current directory too; what is wrong with it is said in
one sentence that begins with its file and line.
"""

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import sysconfig
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, get_type_hints

OWN = ("sweepjax", "sweepjax_cli")
STANDARD = tuple(f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib"))
INSTALLED = {"site-packages", "dist-packages"}
LONGEST = 300  # characters of an error that are shown
GIVE = "give package.module:Name of an importable class"
GUARD = "put what it runs below `if __name__ == '__main__':`"


def names(kind: str) -> list[str]:
    """List the built-in plug-ins of a kind, such as "models"."""
    package = importlib.import_module(f"sweepjax.{kind}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def bare(name: str) -> str:
    """Return a name without the options that follow it, as in `name:option=value`."""
    return ":".join(part for part in name.split(":") if "=" not in part)


def find(kind: str, name: str) -> Any:
    """Return the plug-in a name stands for: the public object its file is named after.

    `gradient_flow` is the class GradientFlow or the function gradient_flow of gradient_flow.py;
    `package.module:Name` reaches code from outside. Options after the name are not looked at.

    Raises:
        ValueError: no such plug-in; the message names the nearest one, or the line of a file that is wrong.
    """
    name = bare(name)
    if ":" in name:
        return _checked(kind, name, _from_outside(name))
    if name not in names(kind):
        yours = f", or {name}:Name for a class in {name}.py" if Path(f"{name}.py").is_file() else ""
        raise ValueError(unknown(kind[:-1], name, names(kind)) + yours)
    module = importlib.import_module(f"sweepjax.{kind}.{name}")
    camel = "".join(word.capitalize() for word in name.split("_"))
    found = (getattr(module, each, None) for each in (camel, name))
    # A file may use what another room calls alike: the figure foretold draws what the reducer Foretold finds.
    return next(each for each in found if getattr(each, "__module__", "") == module.__name__)


def unknown(what: str, name: str, known: list[str], choice: str = "") -> str:
    """Return the sentence that says a name is unknown, which is nearest, and what to choose: one of all, or as told."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}{choice or 'choose one of: ' + ', '.join(known)}"


def options(cls: Any) -> dict[str, type]:
    """Return the type of each option of a reducer or an executor, all of which have defaults.

    Raises:
        ValueError: the class is from outside, and an option has none, or is neither a number, a text nor a truth value.
    """
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise ValueError(f"{defined(cls)}: the types of the fields cannot be read ({error})") from None
    for field in dataclasses.fields(cls):
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{defined(cls)}: field {field.name!r} of {cls.__name__} has no default; give it one")
        if hints[field.name] not in (int, float, bool, str):
            raise ValueError(f"{defined(cls)}: field {field.name!r} of {cls.__name__} is no int, float, bool or str")
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def outside(item: Any) -> bool:
    """Whether a class or function is none of ours."""
    return str(getattr(item, "__module__", "")).partition(".")[0] not in OWN


def defined(item: Any) -> str:
    """Return file and line where a class or function is defined, or its module where there is no file."""
    item = inspect.unwrap(item)
    try:
        lines, first = inspect.getsourcelines(item)
        file = inspect.getsourcefile(item) or ""
    except (OSError, TypeError):
        return str(getattr(item, "__module__", type(item).__name__))
    heads = (number for number, line in enumerate(lines) if line.lstrip().startswith(("class ", "def ", "async def ")))
    return f"{_shown(file)}:{first + next(heads, 0)}"


def takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # it has no signature that Python can read
        return True
    return True


def blame(error: BaseException, package: str = "") -> str:
    """Return what went wrong in a file of the user's, with its line; nothing if it went wrong elsewhere."""
    line = line_of(error, package)
    return f"{line}: {reason(error)}" if line else ""


def line_of(error: BaseException, package: str = "") -> str:
    """Return the line of a file of the user's at which an error was raised; nothing if it was raised elsewhere.

    It is the last line of the traceback that is neither ours nor a library's, or that is of this package.
    """
    if isinstance(error, SyntaxError) and error.filename and not _library(error.filename):
        return f"{_shown(error.filename)}:{error.lineno}"
    lines = [
        f"{_shown(frame.f_code.co_filename)}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if _of_the_user(frame, package)
    ]
    return lines[-1] if lines else ""


def reason(error: BaseException) -> str:
    """Return the first line of what an error says, with its type unless that says nothing."""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    text = " ".join(said.strip().partition("\n")[0].split()).rstrip(".:")
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    plain = isinstance(error, (ValueError, SyntaxError)) and text
    return text if plain else f"{type(error).__name__}: {text}".rstrip(": ")


def _from_outside(name: str) -> Any:
    module, _, attribute = name.partition(":")
    if not (module and attribute):
        raise ValueError(f"{name!r} is not understood; {GIVE}")
    found: Any = sys.modules.get(module) or _imported(name, module)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(_lacking(name, found, part))
        found = getattr(found, part)
    return found


def _imported(name: str, module: str) -> Any:
    """Import a module, which the current directory is searched for first."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        importlib.invalidate_caches()
        return importlib.import_module(module)
    except SystemExit as error:
        raise ValueError(f"{line_of(error) or name}: the program ends as it is imported; {GUARD}") from None
    except Exception as error:
        if sentence := blame(error, module.partition(".")[0]):
            raise ValueError(sentence) from error
        if file := _file_of(module):
            raise ValueError(f"{file}: {reason(error)}") from error
        wanted = f"write {module.removesuffix('.py').replace('/', '.')}:Name" if module.endswith(".py") else GIVE
        looked = f"{wanted}; {here} was searched too"
        raise ValueError(f"cannot import {name!r} ({reason(error)}); {looked}") from None
    finally:
        with suppress(ValueError):
            sys.path.remove(here)
        # What the module imports later, and processes that are started, find its neighbours too.
        if here not in sys.path:
            sys.path.append(here)


def _file_of(module: str) -> str:
    """Return the file of a module that cannot be imported, if there is one."""
    with suppress(ImportError, ValueError, AttributeError):
        found = importlib.util.find_spec(module)
        return _shown(found.origin) if found and found.origin else ""
    return ""


def _lacking(name: str, found: Any, part: str) -> str:
    """Return the sentence that says what a module lacks, and what it has."""
    file = getattr(found, "__file__", None) or ""
    known = [each for each, value in vars(found).items() if each[0] != "_" and callable(value)] if file else []
    near = difflib.get_close_matches(part, known, n=1)
    yours = Path(f"{getattr(found, '__name__', '')}.py")
    hidden = bool(file) and yours.is_file() and not yours.samefile(file)
    hint = f"; did you mean {near[0]!r}?" if near else f"; give your {yours} a name that is free" if hidden else ""
    where = _shown(file) if file else getattr(found, "__name__", name)
    return f"cannot import {name!r}: {where} has no {part!r}{hint}"


def _calls(count: int) -> Callable[[Any], bool]:
    """Return the test for a dataclass whose objects are called with so many arguments."""

    def test(found: Any) -> bool:
        bases = found.__mro__ if isinstance(found, type) and dataclasses.is_dataclass(found) else ()
        called = next((vars(base)["__call__"] for base in bases if "__call__" in vars(base)), None)
        return called is not None and takes(called, 1 + count)

    return test


# What the plug-ins are that need no device; of models, solvers and observables there is more to say (sweep/contract).
SIMPLE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "reducers": ("a dataclass whose __call__(self, rows) returns a table", _calls(1)),
    "executors": ("a dataclass whose __call__(self, compute, chunks, watch) yields (chunk, outcome)", _calls(3)),
    "figures": ("a function of rows that returns a figure of Matplotlib", inspect.isroutine),
}


def _checked(kind: str, name: str, found: Any) -> Any:
    """Return a plug-in from outside, if it is one."""
    if kind in SIMPLE and not SIMPLE[kind][1](found):
        raise ValueError(f"{defined(found)}: {name!r} is no {kind[:-1]}; write {SIMPLE[kind][0]}")
    return found


def _of_the_user(frame: FrameType, package: str) -> bool:
    top, file = frame.f_globals.get("__name__", "").partition(".")[0], frame.f_code.co_filename
    return top not in OWN and (not _library(file) or (top == package and not _made_up(file)))


def _library(file: str) -> bool:
    """Whether a file belongs to Python or to an installed package, or is none."""
    return _made_up(file) or bool(INSTALLED & {*Path(file).parts}) or file.startswith(STANDARD)


def _made_up(file: str) -> bool:
    """Whether code was made by a program, such as the methods of a dataclass."""
    return file.startswith("<") and not file.startswith(("<ipython", "<stdin"))


def _shown(file: str) -> str:
    """Return a path as it is read most easily: below the current directory, or in full."""
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
