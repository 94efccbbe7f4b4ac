"""From the configuration to meters with their drivers, grouped by bus."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from agent.config.values import Config, Meter, Secret
from agent.host.clock import Clock
from agent.meters.state import MeterState
from drivers import registry
from drivers.reading import FrameCounter, MeterPlan

FAR = 1.0  # s

CounterOf = Callable[[str], FrameCounter]
Now = Callable[[], datetime | None]
"""The gateway's time, None while it is not known."""


def time_of(clock: Clock) -> Now:
    def now() -> datetime | None:
        stamp = clock.stamp()
        return None if stamp.state == "unset" else stamp.utc

    return now


def build(config: Config, counter: CounterOf | None = None, now: Now | None = None) -> dict[str, list[MeterState]]:
    """Meters by bus name, in the order of the file; points that is read by hand are on none. ``counter``: of frames,
    by the name of its key; whoever is going to talk to meters has to give it, and the gateway's time as ``now``."""
    groups: dict[str, list[MeterState]] = {bus.name: [] for bus in config.buses}
    for meter in (one for one in config.meters if not one.manual):
        groups[meter.bus].append(state_of(meter, config, counter, now))
    return groups


def state_of(meter: Meter, config: Config, counter: CounterOf | None = None, now: Now | None = None) -> MeterState:
    """One meter with its driver; ``counter`` as for ``build``."""
    family = registry.find(meter.driver, config.gateway.models_dir)
    # A zone that no one wrote is a guess; what a meter stamped must not be put into a wrong hour.
    zone = None if "gateway.timezone" in config.defaults else config.gateway.timezone
    plan = MeterPlan(
        model=meter.driver,
        address=meter.address,
        serial=meter.serial,
        line=meter.line,
        tariffs=tuple(meter.tariffs) if meter.tariffs else None,
        password=meter.password,
        timeout=meter.timeout,
        settings={name: _revealed(value) for name, value in meter.settings.items()},
        zone=zone,
        counter=counter,
        now=now,
    )
    port = next((bus.port for bus in config.buses if bus.name == meter.bus), "")
    margin = 0.0 if meter.timeout is not None else margin_of(port)
    own = _zone(meter.settings.get("timezone") or zone)
    return MeterState(meter, family.build(plan), meter.line, own, margin=margin)


def margin_of(port: str) -> float:
    """Seconds that an answer may take longer by the way to this port: a URL may lead through a mobile network."""
    return FAR if "://" in port else 0.0


def _zone(name: Any) -> ZoneInfo | None:
    """None where no one has said one, or one that is none: the driver says so as text when it is asked."""
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, TypeError, OSError, KeyError):
        return None


def _revealed(value: Any) -> Any:
    """A setting as the driver takes it: what stands in a secret's file as octets."""
    return value.text.encode() if isinstance(value, Secret) else value
