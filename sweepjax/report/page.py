"""Some runs on one page of HTML that needs no server, no network and no script."""

import inspect
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from sweepjax.plugins import find
from sweepjax.report.cells import text
from sweepjax.report.checks import Check, checks
from sweepjax.report.evidence import Picture, Table, pictures, tables
from sweepjax.store.chunkfile import footer
from sweepjax.store.directory import RECORD
from sweepjax.store.paths import answers
from sweepjax.store.rows import alike, scan
from sweepjax.store.store import Store
from sweepjax.store.verify import Findings, verify
from sweepjax.sweep.adaptive import draws

PLACE = ("chunk", "start", "stop", "family", "checksum")  # what a footer tells of its own file alone
UNKNOWN = b"unknown"  # the commit of a program that was installed
NAMES = {"version": "sweepjax", "jax": "JAX", "git": "git commit", "matmul_precision": "precision of products"}
Facts = list[tuple[str, list[str]]]


class Report(NamedTuple):
    """The page, and how many files of its runs are faulty."""

    html: str
    faulty: int


class Section(NamedTuple):
    """One run: what it is, what it holds, and what that shows."""

    path: Path
    sound: list[Path]
    glance: list[tuple[str, str]]
    facts: Facts
    record: str
    repeat: str
    recheck: str
    checks: list[Check]
    pictures: list[Picture]
    refused: Facts
    tables: list[Table]
    provenance: Facts


def report(directories: Sequence[Path]) -> Report:
    """Verify the runs in some directories, draw and reduce their rows, and put it all on a page.

    Faulty files are named and left out; what has no rows yet is said to have none.
    """
    stores = [Store.open(path) for path in directories]
    found = [(store, verify(store)) for store in {store.path.resolve(): store for store in stores}.values()]
    sections = [_section(store, findings) for store, findings in found]
    html = _template().render(sections=sections, together=_together(sections), version=version("sweepjax"))
    return Report(html, sum(len(findings.faults) for _, findings in found))


def _section(store: Store, findings: Findings) -> Section:
    sound = sorted(findings.sound)
    rows = scan(sound) if sound else None
    drawn, refused = pictures([rows], [store.path]) if rows else ([], [])
    reduced = tables(rows, [store.path]) if rows else []
    checked = checks(store.path, findings, rows, {found.name: found.table for found in reduced})
    return Section(
        store.path,
        sound,
        _glance(findings, checked, reduced),
        _facts(store, findings),
        store.sweep.to_toml(),
        shlex.join(["sweepjax", "run", str(store.path / RECORD), "-o", str(store.path)]),
        shlex.join(["sweepjax", "verify", str(store.path), "--recheck", "20"]),
        checked,
        drawn,
        refused,
        reduced,
        _provenance(store.path, sound),
    )


def _together(sections: list[Section]) -> list[Picture]:
    """Return the figures of the rows of all runs at once, those of the same columns as one table."""
    full = [section for section in sections if section.sound]
    files = {section.sound[0]: section.sound for section in full}
    rows = [scan([file for first in same for file in files[first]]) for same in alike([*files])]
    return pictures(rows, [section.path for section in full])[0] if len(full) > 1 else []


def _glance(findings: Findings, checked: list[Check], reduced: list[Table]) -> list[tuple[str, str]]:
    """Return the few numbers to be read first, each with its name."""
    held, passed = findings.planned - findings.missing, sum(check.verdict == "passed" for check in checked)
    share = "rows, complete" if not findings.missing else f"of {text(findings.planned)} rows, incomplete"
    counts = [(text(held), share), (f"{passed} of {len(checked)}", "checks passed")]
    for found in reduced:
        for name, what in getattr(find("reducers", found.name), "glance", {}).items():
            counts.append((text(int(found.table[name].to_numpy().sum())), what))
    return counts


def _facts(store: Store, findings: Findings) -> Facts:
    sweep = store.sweep
    size = sum(file.stat().st_size for file in findings.sound)
    return [
        *_plug_ins(store),
        ("axes", sweep.notes()),
        ("points", [f"{text(sweep.points or 'unknown')}, of {draws(sweep)}"]),
        ("rows", [f"{text(findings.rows)} stored of {text(findings.planned)} planned"]),
        ("files", [f"{text(len(findings.sound))}, {size / 1e6:.3g} MB"]),
    ]


def _plug_ins(store: Store) -> Facts:
    sweep = store.sweep
    if store.unplugged:
        return [("model", [sweep.model, store.unplugged]), ("solver", [sweep.solver])]
    return [
        ("model", [f"{sweep.model}: {_first_line(sweep.model_class)}"]),
        ("solver", [f"{sweep.solver}: {_first_line(sweep.solver_class)}"]),
    ]


def _provenance(path: Path, files: list[Path]) -> Facts:
    """Return what the footers tell of software and machines: each value, and how many files say it if not all do."""
    told: dict[str, Counter[str]] = {}
    for found in answers(footer, files, path):
        for key, value in sorted((found.metadata or {}).items()):
            name = key.decode().removeprefix("sweepjax.")
            known = name not in PLACE and not name.startswith("lane_steps") and value != UNKNOWN
            if key.startswith(b"sweepjax.") and known:
                told.setdefault(NAMES.get(name) or name, Counter())[value.decode()] += 1
    return [(name, _counted(values, len(files))) for name, values in told.items()]


def _counted(values: Counter[str], total: int) -> list[str]:
    return [value if count == total else f"{value} ({count} files)" for value, count in values.most_common()]


def _template() -> Any:
    loader = PackageLoader("sweepjax.report", "")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page.filters["inline"] = _inline
    return page.get_template("page.html")


def _inline(paragraph: str) -> Markup:
    """Return a paragraph as HTML: what stands between backticks as code, and S_∞ and x_i with a subscript."""
    lowered = re.sub(r"\b([A-Za-z])_(∞|[a-z]\b)", r"\1<sub>\2</sub>", str(escape(paragraph)))
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", lowered))


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]
