"""One HTML page on some runs: what was run, what was found, how far it can be trusted, how to repeat it."""
