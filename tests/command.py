"""The command line in a process of its own: that of the installed package, not that of the checkout it starts in."""

import sys

SCRIPT = [sys.executable, "-P", "-c", "import sys; from sweepjax_cli import app; sys.exit(app())"]
