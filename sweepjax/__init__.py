"""Monte Carlo sweeps of solvable grokking systems; the public surface is listed in __init__.pyi.

Names are imported when they are first used, so that `import sweepjax` costs nothing and starts no JAX.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
