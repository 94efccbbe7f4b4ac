"""A point without an electronic port: an operator types in what the display shows.

It is a driver in name only, so that such a point stands in one configuration, one statement and one history with the
others; it is on no bus, and nothing ever asks it.
"""

from drivers.family import Family
from drivers.reading import Driver, MeterPlan
from protocols.session import Line

PROTOCOL = "manual"


def address(text: str) -> int:
    """ValueError: there is no line, and so no address."""
    raise ValueError("none, this meter is read by hand")


def build(plan: MeterPlan) -> Driver:
    """RuntimeError: whoever polls has to leave these points out."""
    raise RuntimeError(f"{plan.model} {plan.serial} has no line: it is read by hand")


FAMILY = Family(
    name="manual",
    models=("manual",),
    capabilities=frozenset({"now"}),
    settings=(),
    protocol=PROTOCOL,
    line=Line(),
    address=address,
    password=None,
    default_password=None,
    build=build,
    help="A meter without an electronic port: an operator types in its readings (meterpost enter).",
)
