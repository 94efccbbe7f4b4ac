"""For all tests: an assertion that fails in a shared helper shows its values, as in a test."""

import pytest

pytest.register_assert_rewrite("tests.support")
