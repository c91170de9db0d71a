"""One file a reducer: tables to tables, in one pass, with memory that does not grow with the rows.

What reducers share, and what a reducer of your own may use, is listed here: `fold` reads the rows a group at a time,
`Moments`, `Quantiles` and `Range` are statistics that add, `wilson` and `kaplan_meier_median` are intervals at 95 %.
"""

from sweepjax.reducers._crossings import STOPPED as STOPPED
from sweepjax.reducers._intervals import NORMAL_95 as NORMAL_95
from sweepjax.reducers._intervals import kaplan_meier_median as kaplan_meier_median
from sweepjax.reducers._intervals import wilson as wilson
from sweepjax.reducers._states import Largest as Largest
from sweepjax.reducers._states import Moments as Moments
from sweepjax.reducers._states import Quantiles as Quantiles
from sweepjax.reducers._states import Range as Range
from sweepjax.reducers._stream import Judgement as Judgement
from sweepjax.reducers._stream import Piece as Piece
from sweepjax.reducers._stream import State as State
from sweepjax.reducers._stream import absences as absences
from sweepjax.reducers._stream import ends as ends
from sweepjax.reducers._stream import fold as fold
from sweepjax.reducers._stream import is_curve as is_curve
from sweepjax.reducers._stream import points as points
from sweepjax.reducers._stream import source as source
from sweepjax.reducers._stream import split as split
