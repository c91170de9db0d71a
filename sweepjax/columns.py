"""What a column is: a label, a clock, a curve, a fact, or a solver's own effort.

It is written beside the column's type in every chunk file, so that whoever reads rows needs no plug-in.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from sweepjax import plugins
from sweepjax.identity import name_of
from sweepjax.tolerances import EXACT, USUAL, Tolerance

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

    from sweepjax.types import Chunk, Columns, Family

LABEL = "label"  # what a row is of: names, fields, seed and realization
CLOCK = "clock"  # when it was recorded
CURVE = "curve"  # a value at every recorded time
FACT = "fact"  # once a row; a vector has an axis of its own
EFFORT = "effort"  # what a solver says of its own work, which depends on the machine

WHO = {"facts": FACT, "clock": CLOCK, "curves": CURVE, "info": FACT}
FIRST = ("model", "solver", "lam", "n", "d", "sigma", "seed", "realization")
CLOCKS = ("time", "step")
INDEX = ("seed", "realization")  # these number independent draws: what is averaged over
KIND = b"sweepjax.kind"
Declared = tuple[Iterable[str], Callable[[str], Tolerance]]  # effort columns, and the tolerance of each column


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
    schema = rows.schema if says(rows.schema) else described(rows.schema, _fields_by_name(rows))
    return {field.name: kind_of(field) or FACT for field in schema}


def says(schema: pa.Schema) -> bool:
    """Whether some rows say what their columns are; those of earlier versions and of other programs do not."""
    return any(map(kind_of, schema))


def kind_of(field: pa.Field | None) -> str:
    """Return what a column says it is; nothing where it does not say."""
    return _entry(field, KIND)


def tolerance_of(field: pa.Field | None) -> Tolerance:
    """Return the tolerance that a column declares, or the usual one."""
    return Tolerance.of((field.metadata or {}) if field else {})


def plug_ins(rows: "Dataset", kind: str) -> dict[str, Any]:
    """Return what some rows name as their "model" or "solver", by name; None where it cannot be imported."""
    if kind not in rows.schema.names:
        return {}
    batches = rows.to_batches(columns=[kind])
    names = sorted({name for batch in batches for name in batch.column(0).unique().to_pylist()})
    return {name: plug_in(kind, name) for name in names}


def model_fields(rows: "Dataset") -> list[str]:
    """List the fields of the models of some rows, but of those that cannot be imported."""
    models = [model for model in plug_ins(rows, "model").values() if model]
    return list(dict.fromkeys(field.name for model in models for field in dataclasses.fields(model)))


def plug_in(kind: str, name: str) -> Any:
    """Return the "model" or "solver" of a name, or None where it cannot be imported."""
    try:
        return plugins.find(f"{kind}s", name)
    except ValueError:
        return None


def limits(row: Mapping[str, Any]) -> dict[str, float]:
    """Return what the model that a row is of says its columns tend to as n → ∞ and t → ∞; nothing if it does not say.

    A field that the row lacks has its default.
    """
    model = model_at(row, "limits")
    return model.limits() if model else {}


def model_at(row: Mapping[str, Any], ability: str) -> Any:
    """Return the model that a row is of, if it has such a method; a field that the row lacks has its default."""
    cls = plug_in("model", row["model"])
    if not hasattr(cls, ability):
        return None
    known = {field.name: row[field.name] for field in dataclasses.fields(cls) if field.name in row}
    return cls(**{name: value.item() if hasattr(value, "item") else value for name, value in known.items()})


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
    """Return a field of a schema with what its column is."""
    return field.with_metadata({**(field.metadata or {}), KIND: kind, **tolerance.entries})


def described(schema: pa.Schema, fields: Iterable[str], declared: Declared = ((), lambda name: USUAL)) -> pa.Schema:
    """Return the schema of rows that do not say what they are, saying so.

    `fields` are those of their model and solver. A list as long as the clock is a curve.
    """
    known, (effort, tolerance) = {*FIRST, *fields}, declared
    clocks = [schema.field(name).type for name in CLOCKS if name in schema.names]
    lengths = {kind.list_size for kind in clocks if pa.types.is_fixed_size_list(kind)}

    def kind(field: pa.Field) -> str:
        if field.name in known:
            return LABEL
        if not pa.types.is_fixed_size_list(field.type):
            return EFFORT if field.name in effort else FACT
        return CLOCK if field.name in CLOCKS else CURVE if field.type.list_size in lengths else FACT

    return pa.schema([describing(field, kind(field), tolerance(field.name)) for field in schema])


def labels(chunk: "Chunk") -> "Columns":
    """Return the columns that say what each row is: names, fields, seed and realization [r]."""
    index = np.arange(chunk.start, chunk.stop)
    realization, which = np.divmod(index, len(chunk.family.tasks))
    model, solver, seed = chunk.family.stacked
    named = {"model": name_of(model), "solver": name_of(solver)}
    own = _fields(model)
    others = {name: value for name, value in _fields(solver).items() if name not in own}
    values = named | _aspect_ratio(model) | own | others | {"seed": seed}
    columns = {name: _spread(value, which) for name, value in values.items()} | {"realization": realization}
    return {name: columns[name] for name in (*FIRST, *columns) if name in columns}


def _spread(value: Any, which: np.ndarray) -> np.ndarray:
    """Return a value of each task, or one of all, for the task of every row."""
    return np.full(len(which), value) if np.ndim(value) == 0 else value[which]


def join(parts: Sequence[Any], chunk: "Chunk") -> "Columns":
    """Return the columns of a chunk, labels first, from batches of rows; padding at the end is dropped.

    A batch has `facts`, `clock`, `curves` and `info`, each of them columns [r ...]. A pair (value, exists) becomes
    a masked array. What a column is follows from who gives it.
    """
    joined = {name: Column(values, LABEL, EXACT) for name, values in labels(chunk).items()}
    effort, tolerances = declared(chunk.family)
    for who, kind in WHO.items():
        columns = [getattr(part, who) for part in parts]
        for name in columns[0]:
            values = _joined([each[name] for each in columns], chunk.rows)
            joined[name] = Column(values, EFFORT if who == "info" and name in effort else kind, tolerances(name))
    return joined


def declared(family: "Family") -> Declared:
    """Return the effort columns of a solver, and the tolerance of a column at the least exact of its tasks."""
    from sweepjax.observed import observables_of  # noqa: PLC0415  whoever reads rows need not wait for JAX

    solvers, task = {id(task.solver): task.solver for task in family.tasks}.values(), family.tasks[0]
    relative = max(getattr(solver, "agreement", USUAL.relative) for solver in solvers)
    absolute = task.model.absolute(relative) if hasattr(task.model, "absolute") else {}
    seen = observables_of(task).items()
    absolute |= {name: each.absolute(relative) for name, each in seen if hasattr(each, "absolute")}
    effort = {name for solver in solvers for name in getattr(solver, "effort", ())}
    unlike = getattr(task.solver, "unlike", {})
    return effort, lambda name: Tolerance(relative, absolute.get(name, USUAL.absolute), unlike.get(name))


def _joined(leaves: list[Any], rows: int) -> np.ndarray:
    if not isinstance(leaves[0], tuple):
        return np.concatenate(leaves)[:rows]
    value, exists = (np.concatenate(each)[:rows] for each in zip(*leaves, strict=True))
    return np.ma.MaskedArray(value, mask=~exists)


def _aspect_ratio(model: Any) -> "Columns":
    whole = all(isinstance(getattr(model, name, None), int) for name in ("n", "d"))
    return {"lam": model.d / model.n} if whole and getattr(model, "aspect", True) else {}


def _fields(plug_in: Any) -> "Columns":
    """Return the fields of a plug-in, or of many [r]; a dataset that was brought in one is no label."""
    fields = {field.name: getattr(plug_in, field.name) for field in dataclasses.fields(plug_in)}
    return {name: value for name, value in fields.items() if np.ndim(value) < 2}


def _entry(field: pa.Field | None, key: bytes) -> str:
    return ((field and field.metadata) or {}).get(key, b"").decode()


def _fields_by_name(rows: "Dataset") -> list[str]:
    """List the fields of the plug-ins that the rows name, which is all that tables of other origin tell."""
    named = [kind for kind in ("model", "solver") if kind in rows.schema.names]
    first = rows.head(1, columns=named).to_pydict() if named else {}
    found = [plugins.find(f"{kind}s", name) for kind, names in first.items() for name in names]
    return [
        field.name for plug_in in found if dataclasses.is_dataclass(plug_in) for field in dataclasses.fields(plug_in)
    ]
