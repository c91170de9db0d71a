"""One file a solver: how a realization gets from its start to the recorded times, or to its limit."""
