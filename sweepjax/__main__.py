"""`python -m sweepjax`: the command line of this interpreter, wherever its scripts are."""

import sys

from sweepjax_cli import app

if __name__ == "__main__":
    sys.exit(app())
