"""Monte Carlo sweeps of solvable grokking systems; the public surface is listed in __init__.pyi."""
