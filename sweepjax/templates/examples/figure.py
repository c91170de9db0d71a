from matplotlib.figure import Figure


def mine(*tables):
    """Draw every row as a point: s_norm over lam."""
    # tables: a pyarrow.dataset.Dataset for each set of columns among the directories that are drawn.
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot(xlabel="λ = d/N", ylabel="‖S_∞‖")
    for rows in tables:
        columns = rows.to_table(["lam", "s_norm"])
        axes.plot(columns["lam"], columns["s_norm"], "o", alpha=0.4)  # NULL is drawn nowhere
    return figure


mine.needs = ("lam", "s_norm")
