"""No run of a generated plan leaves its bounds, under generated schedules and crashes."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.driver import Driver
from tests.support.generated import plans, schedules
from tests.support.measuring import leaves, measuring
from tests.support.plans import S

# The search profile (`make chaos`) looks at many more.
SCALE = 20 if os.environ.get("ORCH_HYPOTHESIS") == "search" else 1


@settings(max_examples=150 * SCALE)
@given(plans(), schedules(), st.sets(st.integers(1, 60), max_size=2), st.sampled_from([None, None, 7 * S]))
def test_no_run_of_a_generated_plan_leaves_its_bounds(a_plan, scripts, crashes, cancel):
    with measuring() as ended:
        driver = Driver(a_plan, hangs_for=500 * S, crashes=crashes, down=9 * S, **scripts)
        driver.begin()
        if cancel is not None:
            driver.cancel(cancel)
        driver.drain()
    assert ended
    for measured in ended:
        assert not leaves(a_plan, measured)
