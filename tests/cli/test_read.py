"""What ``meterpost read`` shows of a record: exact figures, the right units, narrow enough for a phone."""

from decimal import Decimal

import pytest

from agent.cli.read import _shown


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("1-0:1.8.0", 2000100, ("2000.100", "kWh")),
        ("1-0:1.8.1", 7, ("0.007", "kWh")),
        ("1-0:1.8.0", Decimal("1234567.8"), ("1234.5678", "kWh")),
        ("1-0:3.8.0", 1000, ("1.000", "kvarh")),
        ("1-0:2.29.0", 500, ("0.500", "kWh")),
        ("1-0:16.7.0", Decimal("-5530.95"), ("-5530.95", "W")),
        ("1-0:56.7.0", 10, ("10", "W")),
        ("1-0:151.7.0", 10, ("10", "var")),
        ("1-0:69.7.0", 10, ("10", "VA")),
        ("1-0:52.7.0", Decimal("230.10"), ("230.1", "V")),
        ("1-0:71.7.0", Decimal("0.069"), ("0.069", "A")),
        ("1-0:33.7.0", Decimal("0.97"), ("0.97", "")),
        ("1-0:14.7.0", Decimal("49.99"), ("49.99", "Hz")),
    ],
)
def test_a_register_is_shown_exactly_and_with_its_unit(code, value, shown):
    assert _shown(code, value) == shown
