"""The model that a row is of, built again from its columns."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from sweepjax.engine.settings import settled
from sweepjax.keys import realization_keys
from sweepjax.plugins import find
from sweepjax.types import Allowed, field_types

OTHERS = ("model", "seed", "realization")


def model_of(row: Any) -> Any:
    """Return the model of a row, with every field that its dataset depends on.

    A field that only the training depends on may be missing, as in rows of earlier versions: it has its default.

    Raises:
        ValueError: columns are missing; the message names them.
    """
    _require(row, OTHERS)
    cls = find("models", row["model"])
    types = field_types(cls)
    _require(row, [field.name for field in dataclasses.fields(cls) if _needed(field, types[field.name])])
    model = cls(**{name: kind(row[name]) for name, kind in types.items() if name in row})
    _require(row, _traced(model))
    return model


def _require(row: Any, names: Iterable[str]) -> None:
    missing = [name for name in names if name not in row]
    if missing:
        raise ValueError(f"a dataset depends on {', '.join(missing)}, which this row lacks; keep these columns")


def _needed(field: dataclasses.Field, kind: type) -> bool:
    """Whether a model cannot be built without a field, or its random numbers depend on it."""
    draws = kind is not float and field.metadata.get("allowed", Allowed()).draws
    return draws or field.default is dataclasses.MISSING


def _traced(model: Any) -> list[str]:
    """List the float fields that a dataset depends on."""
    names = [name for name, kind in field_types(type(model)).items() if kind is float]
    leaves, structure = jax.tree.flatten(model)

    def sample(*leaves: Any) -> Any:
        return jax.tree.unflatten(structure, leaves).sample(realization_keys(model, np.uint32(0), np.uint32(0)).data)

    with settled():
        traced = jax.make_jaxpr(sample)(*leaves).jaxpr
    used = {id(value) for step in traced.eqns for value in step.invars} | {id(value) for value in traced.outvars}
    return [name for name, value in zip(names, traced.invars, strict=True) if id(value) in used]
