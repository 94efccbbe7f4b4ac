"""The events that the gateway itself raises, and the list of all."""

from collections.abc import Mapping
from typing import Any, Literal

from agent.host.clock import Stamp
from buffer.faults import STORE_EVENTS, StoreEvent
from buffer.record import Record
from drivers.events import METER_EVENTS, Flag

GatewayEvent = (
    StoreEvent
    | Literal[
        "port-lost",
        "port-back",
        "second-master",
        "meter-silent",
        "wrong-serial",
        "meter-clock-off",
        "meter-clock-right",
        "meter-clock-corrected",
        "meter-clock-not-corrected",
        "meter-zone-doubtful",
        "meter-replaced",
        "tariff-remainder",
        "plan-exceeded",
        "reading-due",
        "statement-held",
        "statement-missed",
        "exchange-refused",
    ]
)

GATEWAY_EVENTS: Mapping[str, str] = {
    "port-lost": "a serial port or its server went away",
    "port-back": "it can be opened again",
    "second-master": "another master asks meters of a bus",
    "meter-silent": "a meter stopped answering",
    "wrong-serial": "another meter answers than the configured one",
    "meter-clock-off": "a meter's clock is off by more than 5 s",
    "meter-clock-right": "it is right again",
    "meter-clock-corrected": "the gateway corrected a meter's clock; before and after are its offsets in seconds",
    "meter-clock-not-corrected": "it should have been corrected and could not be; the text says why",
    "meter-zone-doubtful": "a meter's clock states a deviation that cannot be; the configured zone counts instead",
    "meter-replaced": "a point has another meter now; the text has final and initial readings",
    "tariff-remainder": "a total exceeds its tariffs by a constant energy, which no named tariff has; the text has it",
    "plan-exceeded": "a point used more than its plan and the limit allow",
    "reading-due": "a reading has to be typed in by an operator",
    "statement-held": "a month's figures are doubtful and wait for an operator; the text has the reasons",
    "statement-missed": "a window closed before a month's figures could leave",
    "exchange-refused": "an exchange file was refused by its receiver, or its e-mail did not leave; the text says why",
    **STORE_EVENTS,
}
"""What the gateway itself raises; the text of an event says what, how many, which."""

EVENTS: Mapping[str, str] = {**GATEWAY_EVENTS, **METER_EVENTS}
"""The documented list of event codes (a record's ``event.code``)."""


def gateway_event(
    code: GatewayEvent,
    text: str,
    stamp: Stamp,
    *,
    point: str = "",
    serial: str = "",
    flags: tuple[Flag, ...] = (),
    extra: Mapping[str, Any] | None = None,
) -> Record:
    """An event that the gateway itself raises; of a point if one is named."""
    boot, monotonic = stamp.held
    return Record(
        kind="event",
        point=point,
        meter=serial,
        at=stamp.utc,
        read_at=stamp.utc,
        clock=stamp.state,
        flags=flags,
        event={"code": code, "maker": "", "text": text, "n": 1, **(extra or {})},
        boot=boot,
        monotonic=monotonic,
    )
