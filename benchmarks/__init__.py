"""Our kernels against the solvers one would otherwise use, on the same data in the same process."""
