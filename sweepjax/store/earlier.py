"""What the columns of rows are that an earlier version wrote, which did not say so."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from sweepjax import plugins
from sweepjax.columns import declared, described, says
from sweepjax.tolerances import USUAL

if TYPE_CHECKING:
    from sweepjax.types import Family

FAMILY = b"sweepjax.family"


def saying(schema: pa.Schema, footer: Mapping[bytes, bytes], family: "Family | None" = None) -> pa.Schema:
    """Return the schema of a file with what its columns are; that of no file of ours stays as it is.

    `family` is that of its rows, where the plug-ins are at hand: they know how exactly rows are found again.
    """
    if says(schema) or FAMILY not in footer:
        return schema
    tasks = json.loads(footer[FAMILY])
    fields = [name for kind in ("model", "solver") for name in tasks[kind] if name != "name"]
    effort = _effort(tasks["solver"]["name"])
    return described(schema, fields, declared(family) if family else (effort, lambda name: USUAL))


def _effort(solver: str) -> Iterable[str]:
    """Return the effort columns of a solver of ours; others need not be at hand."""
    return () if ":" in solver else getattr(plugins.find("solvers", solver), "effort", ())
