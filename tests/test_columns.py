import subprocess
import sys

import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.columns import (
    CLOCK,
    CURVE,
    EFFORT,
    FACT,
    LABEL,
    configured,
    curves,
    describing,
    kinds,
    measured,
    tolerance_of,
    vectors,
)
from sweepjax.columns import described as described_by
from sweepjax.tolerances import Tolerance, Unlike

ROW = {"model": ["m:M"], "scale": [2.0], "seed": [0], "loss": [0.5], "diverged": [False]}


def lists(*values):
    return pa.FixedSizeListArray.from_arrays(pa.array(values), len(values))


def table(**more):
    return pa.table(ROW | {"time": lists(0.0, 1.0, 2.0), "train_loss": lists(3.0, 2.0, 1.0)} | more)


def dataset(rows, **said):
    schema = [describing(field, said.get(field.name, FACT)) for field in rows.schema]
    return pds.dataset(rows.cast(pa.schema(schema)))


def test_what_a_column_is_stands_beside_its_type_and_needs_no_plug_in():
    rows = dataset(table(), model=LABEL, scale=LABEL, seed=LABEL, time=CLOCK, train_loss=CURVE, diverged=EFFORT)
    assert configured(rows) == ["model", "scale", "seed"]
    assert measured(rows) == ["loss", "diverged"]
    assert curves(rows) == ["time", "train_loss"]


def test_a_vector_that_is_said_once_a_row_is_no_curve_even_if_it_is_as_long_as_one():
    rows = dataset(table(spectrum=lists(9.0, 4.0, 1.0)), time=CLOCK, train_loss=CURVE)
    assert curves(rows) == ["time", "train_loss"]
    assert vectors(rows) == ["spectrum"]
    assert "spectrum" not in measured(rows)


def test_rows_that_do_not_say_what_they_are_are_read_by_the_fields_of_their_footer():
    rows = table(spectrum=lists(9.0, 4.0), steps=[3])
    rows = pds.dataset(rows.cast(described_by(rows.schema, ["scale"], (["steps"], lambda name: Tolerance()))))
    assert kinds(rows) == {
        **{"model": LABEL, "scale": LABEL, "seed": LABEL, "loss": FACT, "diverged": FACT},
        **{"time": CLOCK, "train_loss": CURVE, "spectrum": FACT, "steps": EFFORT},
    }


def test_a_table_that_names_a_plug_in_nobody_can_import_is_refused():
    with pytest.raises(ValueError, match="cannot import 'm:M'"):
        configured(pds.dataset(table()))


def test_a_tolerance_is_read_back_to_the_bit():
    for said in (Tolerance(1 / 3, 1e-7), Tolerance(1e-5, 0.0, Unlike(1e-7, {"margin": 1, "sigma": -1}))):
        assert tolerance_of(describing(pa.field("x", pa.float64()), FACT, said)) == said
    assert tolerance_of(pa.field("x", pa.float64())) == Tolerance()


def test_whoever_only_reads_what_columns_are_does_not_wait_for_jax():
    code = "import sys, sweepjax.columns; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
