"""How far rows of the two-point model are from its closed forms, and the slopes of theory: its three runs."""

import sys

import numpy as np
from scipy.stats import linregress

from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.store.rows import read, scan
from sweepjax.theory.two_point import accuracy_time, generalization_time, s_and_b, train_time

plane, times, delays = sys.argv[1:]

worst = 0.0
for row in read(times).itertuples():
    exact = s_and_b(row.time[1:], row.lam, sigma=row.sigma)
    worst = max(worst, *(np.abs(row.s_norm[1:] / exact.s - 1)), *(np.abs(row.b[1:] / exact.b - 1)))
print(f"S and b at every time: within {worst:.1e} of the closed form")

table = GrokkingTime(quantity="accuracy", by="lam,sigma")(scan([plane]))
exact = np.array([accuracy_time(0.95, line.lam, sigma=line.sigma) for line in table.itertuples()])
late = exact > 0
error = np.abs(table["t_test"][late] / exact[late] - 1).max()
print(f"times to accuracy 0.95: {late.sum()} from {exact[late].min():.2g} to {exact.max():.2g}, within {error:.1e}")
print(f"points at which it is never below: {(~late).sum()}")

for threshold in (1e-2, 1e-4, 1e-8):
    lam = GrokkingTime(quantity="loss", threshold=threshold, by="lam,sigma")(scan([delays]))["lam"].to_numpy()
    start = train_time(threshold, lam)
    for loss in ("exponential", "logistic"):
        root = np.sqrt(np.log(generalization_time(threshold, lam, loss=loss) / start))
        slope = linregress(np.log(1 - 2 * lam), root).slope
        print(f"theory, ε = {threshold:.0e}, {loss} loss on fresh data: slope {slope:.4f}")
