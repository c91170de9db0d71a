"""Which code the plug-ins from outside are: digests that change when it does."""

import ast
import hashlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sweepjax.identity import name_of
from sweepjax.plugins import find, outside
from sweepjax.types import Task

SHARED = {"site-packages", "dist-packages"}  # packages of many hands lie side by side here


def sources(plug_ins: Iterable[Any]) -> dict[str, str]:
    """Return the name of each plug-in from outside with the digest of its code, where there is a file of it."""
    classes = (each if isinstance(each, type) or inspect.isfunction(each) else type(each) for each in plug_ins)
    return {name_of(each): digest for each in classes if outside(each) and (digest := source_hash(each))}


def sources_of(task: Task) -> str:
    """Return the digests of the plug-ins of a task in words; nothing if all of them are ours."""
    observables = [find("observables", each) if isinstance(each, str) else each for each in task.observables]
    return named(sources([task.model, task.solver, *observables]))


def named(digests: Mapping[str, str]) -> str:
    """Return the digests of plug-ins in words; nothing if there are none."""
    return ", ".join(f"{name} {digest}" for name, digest in digests.items())


@cache
def source_hash(plug_in: Any) -> str:
    """Return twelve digits of the code of a plug-in's file, and of the files beside it that it imports.

    Blank lines and lines of comment do not count; nothing if there is no file.
    """
    try:
        file = Path(inspect.getsourcefile(plug_in) or "")
        code = {
            str(each.relative_to(root)): _code(each) for root in [_root(plug_in, file)] for each in _files(file, root)
        }
    except (OSError, TypeError, ValueError):
        return ""
    return hashlib.sha256(repr(sorted(code.items())).encode()).hexdigest()[:12]


def _root(plug_in: Any, file: Path) -> Path:
    """Return the directory that the top of a plug-in's package lies in."""
    depth = plug_in.__module__.count(".") + (file.name == "__init__.py")
    return file.resolve().parents[depth]


def _files(file: Path, root: Path) -> set[Path]:
    """Return a file and those beside it that it imports, and that they import; of a shared place its package alone."""
    top = file.resolve().relative_to(root).parts[0]
    found, waiting = set(), {file.resolve()}
    while waiting:
        found.add(each := waiting.pop())
        near = {path for name in _imports(each, root) for path in _paths(name, root)}
        waiting |= {
            path for path in near if not SHARED & {*root.parts} or path.relative_to(root).parts[0] == top
        } - found
    return found


def _imports(file: Path, root: Path) -> Iterator[str]:
    """Yield the full names of whatever a file imports; some of them are of no module."""
    parts = file.relative_to(root).with_suffix("").parts
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = ".".join(parts[: -node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


def _paths(name: str, root: Path) -> Iterator[Path]:
    """Yield the files under a directory that are executed when a module is imported."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:depth])
        yield from (path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file())


def _code(file: Path) -> str:
    lines = (line.rstrip() for line in file.read_text(encoding="utf-8").splitlines())
    return "\n".join(line for line in lines if line and line.lstrip()[0] != "#")
