"""What all tests share: Hypothesis's settings, and a home where nothing of the user's is read or written."""

import os

import pytest
from hypothesis import HealthCheck, settings

# No deadline: the machines of CI are slow by chance. Derandomized: a red build can be seen again by running it again;
# new examples are sought by `make chaos`, which takes another profile.
settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("search", parent=settings.get_profile("default"), derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("ORCH_HYPOTHESIS", "default"))


@pytest.fixture(autouse=True, scope="session")
def _home(tmp_path_factory):
    """Keeps caches of the product out of the user's home, and the user's settings out of the tests.

    One for the session: the parser's tables are then built once, not in every process that a test starts.
    """
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR"):
            patch.setenv(name, str(home))
        patch.setenv("MPLBACKEND", "Agg")
        for name in ("NO_COLOR", "ORCH_DEBUG"):
            patch.delenv(name, raising=False)
        yield
