"""Where a mean crosses a value: the search for it, and the line of points along which it is looked for."""

from sweepjax.solve.fit import Crossing as Crossing
from sweepjax.solve.fit import Sample as Sample
from sweepjax.solve.line import Line as Line
from sweepjax.solve.line import sampled as sampled
from sweepjax.solve.search import Goal as Goal
from sweepjax.solve.search import Search as Search
from sweepjax.solve.search import Unsolved as Unsolved
