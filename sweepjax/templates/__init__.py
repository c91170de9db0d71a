"""Plug-ins to start from: a working example of each kind and its test, which `write` copies under another name."""

import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from sweepjax.plugins import unknown

HERE = Path(__file__).parent / "examples"
USES = {
    "model": "sweepjax run --model mine:Mine --solver adam --until 200",
    "solver": "sweepjax run --solver mine:Mine --n 40 --lambda 0.4 --until 200",
    "observable": "sweepjax run --solver adam --n 40 --lambda 0.4 --until 200 --observe mine:Mine:power=4",
    "reducer": "sweepjax reduce DIR mine:Mine --column s_norm",
    "figure": "sweepjax plot DIR --figure mine:mine -o mine.png",
}  # of each kind, how it is called
KINDS = (*USES,)
MODULE, NAME = "mine", "Mine"  # what an example is called


def write(kind: str, name: str, folder: Path) -> list[Path]:
    """Write `name`.py and test_`name`.py, the example of a kind, into a folder; return both.

    Raises:
        ValueError: there is no such kind, the name is none for a module of Python, or a file is there already.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind", kind, [*KINDS]))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is no name of a Python module; give small letters, digits and _, such as my_{kind}")
    if find_spec(name) and not (folder / f"{name}.py").exists():
        raise ValueError(f"{name} is the name of a module that is installed; give another, such as my_{name}")
    files = {folder / f"{name}.py": kind, folder / f"test_{name}.py": f"test_{kind}"}
    for path in files:
        if path.exists():
            raise ValueError(f"{path} is there already; give another name")
    for path, source in files.items():
        path.write_text(_renamed((HERE / f"{source}.py").read_text(encoding="utf-8"), name), encoding="utf-8")
    return [*files]


def use(kind: str, name: str) -> str:
    """Return a command that uses the plug-in which `write` has written."""
    return _renamed(USES[kind], name)


def _renamed(text: str, name: str) -> str:
    camel = "".join(word.capitalize() for word in name.split("_"))
    return re.sub(rf"\b{MODULE}\b", name, re.sub(rf"\b{NAME}\b", camel, text))
