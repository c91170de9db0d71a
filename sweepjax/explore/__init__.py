"""Runs on one page with sliders over their axes; all rows are binned beforehand."""

from sweepjax.explore.page import explore as explore
