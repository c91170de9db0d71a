"""How far the rows of a run can be trusted: one line a check."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.dataset import Dataset

from sweepjax.columns import measured, plug_ins
from sweepjax.plugins import find
from sweepjax.report.cells import text
from sweepjax.store.verify import Findings, advice
from sweepjax.types import Claim

MOST_FAULTS = 10


class Check(NamedTuple):
    """A claim, whether it holds (open: neither), and what was found, a sentence a line."""

    claim: str
    verdict: Literal["passed", "failed", "open"]
    found: list[str]


def checks(path: Path, findings: Findings, rows: Dataset | None, reduced: dict[str, pd.DataFrame]) -> list[Check]:
    """Check files, then rows, then statistics; `reduced` holds the tables that were made of the rows."""
    found = [*_files(path, findings)]
    if rows is not None:
        found += [*_claims(rows), *_numbers(rows), *_judged(rows, reduced)]
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


def _claims(rows: Dataset) -> Iterator[Check]:
    """Check what the solvers claim of their columns; a number, in the rows that are certified."""
    solvers = plug_ins(rows, "solver").values()
    claims = dict.fromkeys(claim for solver in solvers for claim in getattr(solver, "claims", ()))
    sure = pc.field("certified") if "certified" in rows.schema.names else None
    for claim in claims:
        if claim.column not in rows.schema.names:
            continue
        if isinstance(claim.allowed, bool):
            yield _flag(rows, claim)
        elif (largest := _largest(rows, claim.column, sure)) is not None:
            found = f"{claim.quantity}: {text(largest)}, allowed {text(claim.allowed)}"
            yield Check(claim.sentence, _verdict(largest <= claim.allowed), [found])


def _flag(rows: Dataset, claim: Claim) -> Check:
    total = rows.count_rows()
    bad = rows.count_rows(filter=pc.field(claim.column) != claim.allowed)
    return Check(claim.sentence, _verdict(not bad), [f"{text(total - bad)} of {text(total)} rows"])


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


def _judged(rows: Dataset, reduced: dict[str, pd.DataFrame]) -> Iterator[Check]:
    """Check what the reducers say of their own tables as a whole."""
    for name, table in reduced.items():
        judge = getattr(find("reducers", name), "judge", None)
        judgement = judge(rows, table) if judge else None
        if judgement is not None:
            verdict = "open" if judgement.holds is None else _verdict(judgement.holds)
            yield Check(judgement.claim, verdict, judgement.found)


def _verdict(holds: bool) -> Literal["passed", "failed"]:
    return "passed" if holds else "failed"
