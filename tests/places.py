"""Where tests are found by processes that they start: this folder and its rooms."""

import os
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = [str(HERE), *(str(room) for room in sorted(HERE.iterdir()) if room.is_dir() and room.name[0] != "_")]
TESTS = {"PYTHONPATH": os.pathsep.join(FOLDERS)}
