"""How far the rows of a run can be trusted: one line a check."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from sweepjax.columns import measured
from sweepjax.report.cells import text
from sweepjax.store.verify import Findings, advice

MOST_FAULTS = 10
FLAGS = {
    "certified": (True, "Every row is certified"),
    "converged": (True, "Every integration kept its tolerance to the end"),
    "diverged": (False, "No training diverged"),
}
BOUNDS = {
    "margin_gap": (1e-6, "Margins are proved to 10⁻⁶", "largest gap between the bounds of a certified margin"),
    "residual": (1e-6, "‖S_∞‖ is taken at the minimum", "largest residual ‖Σ p_i x_i‖ of a certified minimum"),
}
WENDEL = ("logistic", "symmetric")  # models whose law is symmetric about the origin
UNLIKELY = 1e-3


class Check(NamedTuple):
    """A claim, whether it holds (open: neither), and what was found, a sentence a line."""

    claim: str
    verdict: Literal["passed", "failed", "open"]
    found: list[str]


def checks(path: Path, findings: Findings, rows: Dataset | None, reduced: dict[str, pd.DataFrame]) -> list[Check]:
    """Check files, then rows, then statistics; `reduced` holds the tables that were made of the rows."""
    found = [*_files(path, findings)]
    if rows is not None:
        found += [*_flags(rows), *_bounds(rows), *_numbers(rows)]
    if rows is not None and "separable_fraction" in reduced:
        found += _wendel(rows, reduced["separable_fraction"])
    return found


def _files(path: Path, findings: Findings) -> Iterator[Check]:
    faults = [f"{fault.file.name} {fault.what}" for fault in findings.faults]
    sound = f"{text(len(findings.sound))} sound, {text(len(faults))} faulty: bytes, checksums, labels and columns"
    more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
    yield Check("Every file is whole", _verdict(not faults), [sound, *faults[:MOST_FAULTS], *more])
    held = f"{text(findings.planned - findings.missing)} of {text(findings.planned)}"
    if findings.missing:
        yield Check("Every row of the plan is there, once", "open", [held, advice(path, findings.missing)])
    else:
        yield Check("Every row of the plan is there, once", "passed", [held])
    if findings.leftovers:
        left = f"{len(findings.leftovers)} temporaries of writes under way or cut off"
        yield Check("Nothing is left over", "open", [left])


def _flags(rows: Dataset) -> Iterator[Check]:
    total = rows.count_rows()
    for name, (wanted, claim) in FLAGS.items():
        if name in rows.schema.names:
            bad = rows.count_rows(filter=pc.field(name) != wanted)
            yield Check(claim, _verdict(not bad), [f"{text(total - bad)} of {text(total)} rows"])


def _bounds(rows: Dataset) -> Iterator[Check]:
    sure = pc.field("certified") if "certified" in rows.schema.names else None
    for name, (bound, claim, what) in BOUNDS.items():
        if name in rows.schema.names:
            largest = _largest(rows, name, sure)
            if largest is not None:
                yield Check(claim, _verdict(largest <= bound), [f"{what}: {text(largest)}, allowed {text(bound)}"])


def _largest(rows: Dataset, name: str, where: pc.Expression | None) -> float | None:
    batches = rows.to_batches(columns=[name], filter=where)
    values = [batch.column(0).drop_null().to_numpy(zero_copy_only=False) for batch in batches]
    return max((float(each.max()) for each in values if each.size), default=None)


def _numbers(rows: Dataset) -> Iterator[Check]:
    names = [name for name in measured(rows) if pa.types.is_floating(rows.schema.field(name).type)]
    counts = {name: rows.count_rows(filter=pc.field(name).is_nan()) for name in names}
    bad = [f"{name}: {text(count)} rows" for name, count in counts.items() if count]
    if names:
        yield Check("No measured number is nan", _verdict(not bad), bad or [f"{len(names)} columns"])


def _wendel(rows: Dataset, table: pd.DataFrame) -> Iterator[Check]:
    models = {name for batch in rows.to_batches(columns=["model"]) for name in batch.column(0).unique().to_pylist()}
    test, claim = table.attrs, "Separable draws are as frequent as Wendel's law says"
    if models - {*WENDEL}:
        return
    if not test["chi_square_dof"]:
        yield Check(claim, "open", ["too few draws of the rarer kind are expected for a test"])
        return
    chi = f"χ² = {test['chi_square']:.1f} in {test['chi_square_dof']} bins, p = {test['chi_square_p']:.2g}"
    furthest = f"largest |z| of {len(table)} points: {table['z'].abs().max():.1f}"
    yield Check(claim, _verdict(test["chi_square_p"] >= UNLIKELY), [chi, furthest])


def _verdict(holds: bool) -> Literal["passed", "failed"]:
    return "passed" if holds else "failed"
