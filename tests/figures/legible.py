"""What every figure keeps to."""

import matplotlib as mpl
from matplotlib.legend import Legend


def unreadable(figure):
    """What of a figure cannot be read: letters below seven points, and legends that reach out of the picture."""
    figure.canvas.draw()
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text()]
    small = [text.get_text() for text in texts if text.get_fontsize() < 7]
    extents = [legend.get_window_extent() for legend in figure.findobj(Legend)]
    return small + [found for found in extents if not (found.x0 >= 0 and found.x1 <= figure.bbox.x1 and found.y0 >= 0)]
