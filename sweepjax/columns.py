"""What a column is: a label, a clock, a curve, a fact, or a solver's own effort.

It is written beside the column's type in every chunk file, so that whoever reads rows needs no plug-in.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from sweepjax import plugins

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

    from sweepjax.types import Chunk, Columns

LABEL = "label"  # what a row is of: names, fields, seed and realization
CLOCK = "clock"  # when it was recorded
CURVE = "curve"  # a value at every recorded time
FACT = "fact"  # once a row; a vector has an axis of its own
EFFORT = "effort"  # what a solver says of its own work, which depends on the machine

FIRST = ("model", "solver", "lam", "n", "d", "sigma", "seed", "realization")
CLOCKS = ("time", "step")
INDEX = ("seed", "realization")  # these number independent draws: what is averaged over
KIND, RELATIVE, ABSOLUTE = b"sweepjax.kind", b"sweepjax.relative", b"sweepjax.absolute"


class Tolerance(NamedTuple):
    """How far two values of one row may be apart that were computed on unlike machines, or side by side with others."""

    relative: float = 1e-5
    absolute: float = 1e-12


USUAL = Tolerance()


class Column(NamedTuple):
    """The values [r ...] of one quantity, masked where they are NULL, and what it is."""

    values: Any
    kind: str
    tolerance: Tolerance = USUAL


def kinds(rows: "Dataset") -> dict[str, str]:
    """Return what each column of some rows is.

    Raises:
        ValueError: neither the rows nor plug-ins that can be imported say so.
    """
    if not any(KIND in (field.metadata or {}) for field in rows.schema):
        schema = described(rows.schema, _fields_by_name(rows))
        return {field.name: _text(field, KIND) for field in schema}
    return {field.name: _text(field, KIND) or FACT for field in rows.schema}


def tolerance(field: pa.Field) -> Tolerance:
    """Return the tolerance that a column declares."""
    told = [_text(field, key) for key in (RELATIVE, ABSOLUTE)]
    return Tolerance(*map(float, told)) if all(told) else USUAL


def plug_ins(rows: "Dataset", kind: str) -> list[Any]:
    """Return what some rows name as their "model" or "solver"; what cannot be imported is left out."""
    if kind not in rows.schema.names:
        return []
    batches = rows.to_batches(columns=[kind])
    names = sorted({name for batch in batches for name in batch.column(0).unique().to_pylist()})
    return [found for name in names if (found := _found(f"{kind}s", name)) is not None]


def _found(kind: str, name: str) -> Any:
    try:
        return plugins.find(kind, name)
    except ValueError:
        return None


def configured(rows: "Dataset") -> list[str]:
    """List the columns that say what a row is of."""
    return [name for name, kind in kinds(rows).items() if kind == LABEL]


def measured(rows: "Dataset") -> list[str]:
    """List the columns that hold one measured number or truth value a row."""
    return [name for name, kind in kinds(rows).items() if kind in (FACT, EFFORT) and is_number(rows.schema, name)]


def curves(rows: "Dataset") -> list[str]:
    """List the columns that hold one number at every recorded time, the clocks among them."""
    return [name for name, kind in kinds(rows).items() if kind in (CURVE, CLOCK) and _is_vector(rows.schema, name)]


def vectors(rows: "Dataset") -> list[str]:
    """List the columns that hold several numbers once a row."""
    return [name for name, kind in kinds(rows).items() if kind in (FACT, EFFORT) and _is_vector(rows.schema, name)]


def is_number(schema: pa.Schema, name: str) -> bool:
    """Whether a column holds one number or truth value a row."""
    return _numeric(schema.field(name).type)


def _is_vector(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type
    return pa.types.is_fixed_size_list(kind) and _numeric(kind.value_type)


def _numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)


def describing(field: pa.Field, kind: str, tolerance: Tolerance = USUAL) -> pa.Field:
    """Return a field of a schema that says what its column is."""
    told = {KIND: kind, RELATIVE: repr(tolerance.relative), ABSOLUTE: repr(tolerance.absolute)}
    return field.with_metadata({**(field.metadata or {}), **told})


def described(schema: pa.Schema, fields: Iterable[str], effort: Iterable[str] = ()) -> pa.Schema:
    """Return the schema of rows that do not say what they are, saying so.

    `fields` are those of their model and solver. A list as long as the clock is a curve.
    """
    known, spent = {*FIRST, *fields}, {*effort}
    clocks = [schema.field(name).type for name in CLOCKS if name in schema.names]
    lengths = {kind.list_size for kind in clocks if pa.types.is_fixed_size_list(kind)}

    def kind(field: pa.Field) -> str:
        if field.name in known:
            return LABEL
        if not pa.types.is_fixed_size_list(field.type):
            return EFFORT if field.name in spent else FACT
        return CLOCK if field.name in CLOCKS else CURVE if field.type.list_size in lengths else FACT

    return pa.schema([describing(field, kind(field)) for field in schema], metadata=schema.metadata)


def fields_of_family(text: str) -> list[str]:
    """List the fields of model and solver in the JSON of a footer."""
    family = json.loads(text)
    return [name for kind in ("model", "solver") for name in family[kind] if name != "name"]


def labels(chunk: "Chunk") -> "Columns":
    """Return the columns that say what each row is: names, fields, seed and realization [r]."""
    # Imported late: it brings JAX along, and who only reads rows should not wait for that.
    from sweepjax.types import name_of  # noqa: PLC0415

    index = np.arange(chunk.start, chunk.stop)
    tasks = [chunk.family.tasks[i] for i in index % len(chunk.family.tasks)]
    columns = {
        "model": np.array([name_of(task.model) for task in tasks]),
        "solver": np.array([name_of(task.solver) for task in tasks]),
        **_aspect_ratio([task.model for task in tasks]),
        **_fields([task.model for task in tasks]),
        **_fields([task.solver for task in tasks]),
        "seed": np.array([task.seed for task in tasks], dtype=np.int64),
        "realization": index // len(chunk.family.tasks),
    }
    return {name: columns[name] for name in (*FIRST, *columns) if name in columns}


def join(parts: list["Columns"], rows: int) -> "Columns":
    """Join batches, drop the padding; a pair (value, exists) becomes a masked array."""
    return {name: _joined([part[name] for part in parts], rows) for name in parts[0]}


def _joined(leaves: list[Any], rows: int) -> np.ndarray:
    if not isinstance(leaves[0], tuple):
        return np.concatenate(leaves)[:rows]
    value, exists = (np.concatenate(each)[:rows] for each in zip(*leaves, strict=True))
    return np.ma.MaskedArray(value, mask=~exists)


def _aspect_ratio(models: list[Any]) -> "Columns":
    if not all(hasattr(models[0], name) for name in ("n", "d")):
        return {}
    return {"lam": np.array([model.d / model.n for model in models])}


def _fields(models: list[Any]) -> "Columns":
    names = (field.name for field in dataclasses.fields(models[0]))
    return {name: np.array([getattr(model, name) for model in models]) for name in names}


def _text(field: pa.Field, key: bytes) -> str:
    told: Mapping[bytes, bytes] = field.metadata or {}
    return told.get(key, b"").decode()


def _fields_by_name(rows: "Dataset") -> list[str]:
    """List the fields of the plug-ins that the rows name, which is all that tables of other origin tell."""
    named = [kind for kind in ("model", "solver") if kind in rows.schema.names]
    first = rows.head(1, columns=named).to_pydict() if named else {}
    found = [plugins.find(f"{kind}s", name) for kind, names in first.items() for name in names]
    return [
        field.name for plug_in in found if dataclasses.is_dataclass(plug_in) for field in dataclasses.fields(plug_in)
    ]
