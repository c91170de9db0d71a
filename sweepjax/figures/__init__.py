"""One file a figure: reduced rows with their error bars, and the theory drawn over them."""

from pyarrow.dataset import Dataset


def usual(rows: Dataset) -> str:
    """Return the name of the figure that suits the rows: curves over time, or the limit."""
    return "trajectories" if "time" in rows.schema.names else "s_norm_and_margin"
