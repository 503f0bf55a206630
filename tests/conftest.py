"""Fixtures shared by the whole suite."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

# Each of the suite's workers has a core of its own: more threads only wait for each other, here and in the
# processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes on a busy machine says nothing about a law.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# No test asks a provider of hosted models, whatever keys a developer has.
os.environ["MOVIOLA_OFFLINE"] = "1"

# A developer's own decisions are no part of what is tested.
os.environ["MOVIOLA_POLICY"] = os.devnull

# A developer's own models would be listed, found and tested with ours.
_HOME = TemporaryDirectory(prefix="moviola-home-")
os.environ["MOVIOLA_HOME"] = _HOME.name


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real clips; tests that need one are skipped where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "media"
    folder = Path(os.environ.get("MOVIOLA_TEST_MEDIA", default))
    if not folder.is_dir():
        pytest.skip(f"real clips are not here: set MOVIOLA_TEST_MEDIA (looked in {folder.name}/)")
    return folder
