"""What several commands do with the text they are given."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyarrow.dataset import FileSystemDataset


def pairs(texts: Sequence[str], what: str) -> dict[str, str]:
    """Return the NAME=VALUE of a repeatable option as a dict; `what` is how the option is written."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise ValueError(f"--set {text!r} is not understood; write --set {what}")
        if name in found:
            raise ValueError(f"{name} is set twice; give --set {name}=VALUE once")
        found[name] = value
    return found


def groups(texts: Sequence[str]) -> list[list[str]] | None:
    """Return the names in each --zip; none where all are empty, and nothing where there is no --zip."""
    named = [[name.strip() for name in text.split(",")] for text in texts if text.strip()]
    return named if texts else None


def checked_output(path: Path, suffixes: Sequence[str]) -> Path:
    """Refuse a file that could not be written, before any work is done for it."""
    from sweepjax.store.directory import RECORD  # noqa: PLC0415

    if path.suffix not in suffixes:
        raise ValueError(f"-o {str(path)!r} is not understood; give a file that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ValueError(f"-o {path} is a directory; give a file")
    if not path.parent.is_dir():
        raise ValueError(f"-o {path} cannot be made, since {path.parent} is no directory; make it first")
    if path.suffix == ".parquet" and (path.parent / RECORD).exists():
        raise ValueError(f"-o {path} would stand among the rows of a run; give another directory, or another format")
    return path


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place once it is whole."""
    partial = path.with_name(f"_{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def rows(paths: Sequence[Path]) -> Iterator["FileSystemDataset"]:
    """Open the rows of some directories; what turns out to be broken while they are read is named."""
    from sweepjax.store.rows import blaming, scan  # noqa: PLC0415

    data = scan(paths)
    with blaming(data):
        yield data


@contextmanager
def tables(paths: Sequence[Path]) -> Iterator[list["FileSystemDataset"]]:
    """Open the rows of some directories, as one table for each set of columns."""
    from sweepjax.store.rows import alike  # noqa: PLC0415

    with ExitStack() as opened:
        yield [opened.enter_context(rows(same)) for same in alike(paths)]


def plugin_options(name: str, cls: Any, texts: dict[str, str]) -> dict[str, Any]:
    """Return the values of a plug-in's fields, each text read as the type of its field."""
    from sweepjax.plugins import options, unknown  # noqa: PLC0415

    kinds = options(cls)
    for option in texts:
        if option not in kinds:
            raise ValueError(f"{name}: " + unknown("option", option, list(kinds)))
    return {option: value(option, text, kinds[option]) for option, text in texts.items()}


def check_result(plugin: Any, result: Any, ability: str, wanted: str) -> None:
    """Refuse what a plug-in of the user's returns if it lacks the method that it is returned for."""
    from sweepjax.plugins import defined  # noqa: PLC0415

    if not hasattr(result, ability):
        raise ValueError(f"{defined(plugin)}: {plugin.__name__} returns a {type(result).__name__}; return {wanted}")


def value(option: str, text: str, kind: Any) -> Any:
    """Return the text, number or truth value that the text of an option stands for."""
    from sweepjax.sweep.axes import parse_axis  # noqa: PLC0415

    if kind is str:
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{option} = {text!r} is not allowed; give true or false")
        return text.lower() == "true"
    try:
        (number,) = parse_axis(text, kind=kind)
    except ValueError:
        wanted = "whole number" if kind is int else "finite number"
        raise ValueError(f"{option} = {text!r} is not allowed; give a {wanted}") from None
    return number
