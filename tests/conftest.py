"""For all tests: what Hypothesis tries, and assertions of shared helpers that show their values when they fail.

Every run tries the same examples, however slow the machine is at it: a change is judged by its own faults alone.
``make test ARGS=--hypothesis-profile=search`` looks for new ones.
"""

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("tests.support")

settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("search"), derandomize=True)
settings.load_profile("same")
