"""Which rows are one table: those of equal columns, and those that lack what their version did not measure."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from sweepjax.columns import LABEL, kind_of
from sweepjax.store.earlier import FAMILY


class Form(NamedTuple):
    """The columns of some rows, and the model and solver that they are of, if their footer says so."""

    schema: pa.Schema
    names: tuple[str, str] | None

    @classmethod
    def of(cls, schema: pa.Schema, footer: Mapping[bytes, bytes]) -> "Form":
        """Return the form of a file of this schema and footer."""
        told = json.loads(footer[FAMILY]) if FAMILY in footer else {}
        both = "model" in told and "solver" in told
        return cls(schema, (told["model"]["name"], told["solver"]["name"]) if both else None)

    def joined(self, other: "Form") -> "Form | None":
        """Return the form of both as one table: NULL fills what one of them lacks. None where they do not fit.

        Equal columns always do. Else they are of one model and solver, the one has no column that the other lacks,
        and no label is missing. A number of single precision joins one of double precision.
        """
        if self.schema.equals(other.schema):
            return self
        wide, narrow = sorted((self, other), key=lambda form: len(form.schema), reverse=True)
        if self.names is None or self.names != other.names or not set(narrow.schema.names) <= set(wide.schema.names):
            return None
        fields = [found for field in wide.schema if (found := _wider(field, narrow.schema)) is not None]
        if len(fields) < len(wide.schema):
            return None
        return Form(pa.schema(fields, metadata=wide.schema.metadata), self.names)


def _wider(field: pa.Field, narrow: pa.Schema) -> pa.Field | None:
    """Return a field that holds the values of both; None where there is none."""
    if field.name not in narrow.names:
        return None if kind_of(field) == LABEL else field
    other = narrow.field(field.name)
    if field.type == other.type:
        return field
    both_real = pa.types.is_floating(field.type) and pa.types.is_floating(other.type)
    return field.with_type(pa.float64()) if both_real else None


def grouped(forms: Sequence[Form]) -> list[tuple[Form, list[int]]]:
    """Return the forms that some rows can be read in, each with the places of those rows."""
    groups: list[tuple[Form, list[int]]] = []
    for place, form in enumerate(forms):
        for index, (known, places) in enumerate(groups):
            if both := known.joined(form):
                groups[index] = (both, [*places, place])
                break
        else:
            groups.append((form, [place]))
    return groups
