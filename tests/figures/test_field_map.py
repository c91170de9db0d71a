"""The map of two fields shows the last accuracies, a panel for each value of the others."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.columns import CLOCK, CURVE, LABEL, describing
from sweepjax.figures.field_map import field_map


def rows(decays):
    """Two draws at each of 3 × 3 points and some decays, with test accuracy fraction - noise at the end."""
    fraction, noise, decay, draw = (
        each.ravel() for each in np.meshgrid([0.2, 0.4, 0.6], [0.0, 0.05, 0.1], decays, [0, 1], indexing="ij")
    )
    single = {"model": ["quadratic_modular"] * len(draw), "fraction": fraction, "noise": noise}
    single |= {"weight_decay": decay, "realization": draw.astype(int), "seed": np.zeros(len(draw), int)}
    columns = {name: (LABEL, pa.array(values)) for name, values in single.items()}
    ends = {"step": (CLOCK, 0 * fraction + 9), "train_accuracy": (CURVE, 0 * fraction + 1)}
    ends |= {"test_accuracy": (CURVE, fraction - noise)}
    for name, (kind, last) in ends.items():
        pairs = np.stack([np.zeros_like(last), last], axis=1).ravel()
        columns[name] = (kind, pa.FixedSizeListArray.from_arrays(pa.array(pairs), 2))
    fields = [describing(pa.field(name, array.type), kind) for name, (kind, array) in columns.items()]
    return pds.dataset(pa.table([array for _, array in columns.values()], schema=pa.schema(fields)))


def test_there_is_a_panel_for_each_accuracy_and_decay_whose_cells_are_means():
    figure = field_map(rows([0.0, 5.0]))
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert len(panels) == 4
    values = np.asarray(panels[2].collections[0].get_array()).ravel()
    np.testing.assert_allclose(np.sort(values), [0.1, 0.15, 0.2, 0.3, 0.35, 0.4, 0.5, 0.55, 0.6], atol=1e-12)
    assert "weight_decay = 5" in panels[1].get_title()


def test_one_field_is_no_map():
    with pytest.raises(ValueError, match="a map needs two fields that vary"):
        field_map(pds.dataset(rows([0.0]).to_table(filter=pds.field("noise") == 0)))
