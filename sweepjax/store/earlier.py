"""What the columns of rows are that an earlier version wrote, which did not say so."""

import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from sweepjax import plugins
from sweepjax.columns import USUAL, described, says
from sweepjax.store.chunkfile import metadata

FAMILY = b"sweepjax.family"


def saying(schema: pa.Schema, file: Path) -> pa.Schema:
    """Return the schema of a file with what its columns are; that of no file of ours stays as it is."""
    footer = {} if says(schema) else metadata(file).metadata or {}
    if FAMILY not in footer:
        return schema
    family = json.loads(footer[FAMILY])
    fields = [name for kind in ("model", "solver") for name in family[kind] if name != "name"]
    return described(schema, fields, (_effort(family["solver"]["name"]), lambda name: USUAL))


def _effort(solver: str) -> Iterable[str]:
    """Return the effort columns of a solver of ours; others need not be at hand."""
    return () if ":" in solver else getattr(plugins.find("solvers", solver), "effort", ())
