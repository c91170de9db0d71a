"""The folder: rows byte for byte as they were computed, beside what a reader, a repository and a hub want to know."""

import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from sweepjax.columns import kind_of
from sweepjax.publish import checksums, crate, croissant
from sweepjax.store.beside import beside
from sweepjax.store.chunkfile import Damaged, footer
from sweepjax.store.directory import DATA, RECORD
from sweepjax.store.paths import content, remote
from sweepjax.store.rounds import ROUNDS
from sweepjax.store.rows import scan
from sweepjax.store.store import Store
from sweepjax.store.verify import Findings, advice, verify

MADE_BY = ("version", "jax", "git", "device")  # of the footers


class About(NamedTuple):
    """What only the people know who publish."""

    title: str
    authors: tuple[str, ...] = ()
    license: str = ""  # as SPDX spells it


class Published(NamedTuple):
    """A run in the folder."""

    name: str
    store: Store
    findings: Findings
    schema: pa.Schema
    made: dict[str, str]  # what its footers say, and how many files say so

    @property
    def command(self) -> str:
        """How it is computed again."""
        return shlex.join(["sweepjax", "run", f"{DATA}/{self.name}/{RECORD}", "-o", f"{self.name}-again"])

    @property
    def columns(self) -> list[tuple[str, str, str]]:
        """The name, the type and the kind of each column."""
        return [(field.name, str(field.type), kind_of(field) or "fact") for field in self.schema]


def publish(directories: Sequence[Path], out: Path, about: About) -> list[str]:
    """Write the folder of some runs, and return what is worth a remark.

    Raises:
        ValueError: a run has no rows, the folder is there already, or the license is not known.
        Damaged: a run has a file that is not sound.
    """
    about = about._replace(license=_spelled(about.license))
    if remote(out):
        raise ValueError(f"{out} is in a bucket; give a folder of this machine")
    out = out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is there already; give a new folder")
    runs = [_examined(name, Store.open(path)) for name, path in _named(directories).items()]
    partial = out.with_name(f"_{out.name}.tmp")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        for run in runs:
            _copy(run, partial / DATA / run.name)
        _describe(partial, runs, about)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [*_remarks(runs, about)]


def _spelled(license: str) -> str:
    """Return a license as SPDX spells it."""
    try:
        return canonicalize_license_expression(license) if license else ""
    except InvalidLicenseExpression as error:
        raise ValueError(
            f"--license {license} is not known; give an identifier of https://spdx.org/licenses, such as CC-BY-4.0"
        ) from error


def _named(directories: Sequence[Path]) -> dict[str, Path]:
    """Return the directories by the names that they have in the folder."""
    found: dict[str, Path] = {}
    for path in directories:
        name = path.resolve().name.lstrip(".") or "run"  # what begins with a dot has no checksum
        if name in found:
            raise ValueError(f"{found[name]} and {path} have one name; rename one of them")
        found[name] = path
    return found


def _examined(name: str, store: Store) -> Published:
    findings = verify(store)
    if findings.faults:
        fault = findings.faults[0]
        raise Damaged(f"{fault.file} {fault.what}; run `sweepjax verify {shlex.quote(str(store.path))} --repair` first")
    added = {each.column for each in beside(store.path)}  # which are in files of their own
    schema = pa.schema([field for field in scan([store.path]).schema if field.name not in added])
    told = [
        {key.decode(): text.decode() for key, text in (footer(file).metadata or {}).items()} for file in findings.sound
    ]
    counts = {key: Counter(each.get(f"sweepjax.{key}", "unknown") for each in told) for key in MADE_BY}
    made = {key: ", ".join(f"{text} ({files} files)" for text, files in count.items()) for key, count in counts.items()}
    return Published(name, store, findings, schema, made)


def _copy(run: Published, folder: Path) -> None:
    folder.mkdir(parents=True)
    records = [file for name in (RECORD, ROUNDS) if (file := run.store.path / name).exists()]
    for file in [*records, *run.findings.sound, *(each.file for each in beside(run.store.path))]:
        (folder / file.name).write_bytes(content(file))


def _describe(folder: Path, runs: Sequence[Published], about: About) -> None:
    """Write the card, the citation, the metadata and, last, the checksums."""
    pages = Environment(
        loader=PackageLoader("sweepjax.publish", ""), undefined=StrictUndefined, keep_trailing_newline=True
    )
    told = {"about": about, "runs": runs, "version": version("sweepjax")}
    for name in ("README.md", "CITATION.cff"):
        (folder / name).write_text(pages.get_template(f"{name}.jinja").render(**told), encoding="utf-8")
    croissant.write(folder, [(run.name, run.schema) for run in runs], about)
    crate.write(folder, [(run.name, run.command) for run in runs], about)
    checksums.write(folder)


def _remarks(runs: Sequence[Published], about: About) -> Iterator[str]:
    for run in runs:
        if run.findings.missing:
            yield f"{run.name} is published incomplete: {advice(run.store.path, run.findings.missing)}"
    for what in ("authors", "license"):
        if not getattr(about, what):
            yield f"the folder names no {what}; give --{what.removesuffix('s')}, which most repositories ask for"
