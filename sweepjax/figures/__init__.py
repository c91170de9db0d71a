"""One file a figure: reduced rows with their error bars, and the theory drawn over them."""
