"""What every test runs under: shapes and dtypes checked, one cache of compiled programs, a fixed device count."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Plug-ins from outside the package are reached by module:Name.
sys.path.insert(0, str(Path(__file__).parent))

from places import FOLDERS

sys.path[1:1] = FOLDERS[1:]

# Two devices, so that the realization axis is really split.
TWO = "--xla_force_host_platform_device_count=2"
QUICK = f"{TWO} --xla_cpu_use_fusion_emitters=false"


def known(flags):
    """Whether this release of XLA takes the flags; it ends the process if it does not."""
    asked = {**os.environ, "XLA_FLAGS": flags}
    command = [sys.executable, "-c", "import jax; jax.devices()"]
    return subprocess.run(command, env=asked, capture_output=True, check=False).returncode == 0


# Before JAX starts. Most of the time goes into compiling, so that the compiler is a quick one unless it is chosen:
# `.ci/run slow` runs the same tests with that of every day.
if "XLA_FLAGS" not in os.environ:
    os.environ["XLA_FLAGS"] = QUICK if known(QUICK) else TWO
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="sweepjax-"))

# Not the plug-ins themselves: a float field is a number outside and a traced array inside a program.
install_import_hook(["sweepjax.solvers._limit"], "beartype.beartype")

# The same examples each time, however slow the machine is.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


MAPS = Path("/proc/self/maps")
MANY = 30_000  # pieces of mapped memory, of the 65,530 that Linux allows; compiled programs are made of them


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Forget the programs of earlier modules before a process has so many that it is aborted."""
    yield
    if MAPS.exists() and len(MAPS.read_bytes().splitlines()) > MANY:
        # Not before: the environment is set here.
        import jax  # noqa: PLC0415

        from sweepjax.engine import programs  # noqa: PLC0415

        programs._programs.clear()
        jax.clear_caches()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory of the test's own, in which it works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def browser():
    """A real browser, without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
