"""A whole daemon with a point that is read by hand: status, reading, reload, and what a bus has to do with it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.config.values import Bus, Config, Gateway, Intake, Meter, Poll
from agent.control import doctor
from agent.control.unix_socket import RequestRefused, ask_daemon
from agent.daemon import Daemon
from agent.host.clock import SystemClock
from agent.manual.entry import Typed, request
from protocols.errors import LinkLost
from protocols.session import Line
from tests.support.broker import free_port

pytestmark = pytest.mark.slow

CELLAR = Meter("cellar", "", "manual", "", "00123", Line(), poll=Poll(*[None] * 6), digits=5)
FLAT = Meter("flat-12", "riser", "mercury230", "45", "23456789", Line())


def no_port(url: str, line: Line) -> Any:
    raise LinkLost(f"{url}: not there")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Nothing to poll and no broker: what an operator types is all that comes."""
    gateway = Gateway("gw", "Europe/Moscow", tmp_path, clock="trust")
    intake = Intake("127.0.0.1", port := free_port(), False, f"mqtt://127.0.0.1:{port}")
    config = Config(gateway, intake, (Bus("riser", "/dev/none"),), (CELLAR, FLAT))
    made = Daemon(config, clock=SystemClock(trust=True), open_port=no_port)
    made.start()
    yield made
    made.close()


def ask(daemon: Daemon, op: str, **args: Any) -> Any:
    return ask_daemon(daemon.in_force.values.gateway.state_dir, op, **args)


def rows(daemon: Daemon) -> dict[str, dict[str, Any]]:
    return {meter["point"]: meter for meter in ask(daemon, "status")["meters"]}


def test_the_status_has_the_point_and_its_typed_reading(daemon: Daemon) -> None:
    assert rows(daemon)["cellar"] | {"last": None} == {
        "point": "cellar",
        "bus": "",
        "driver": "manual",
        "address": "",
        "serial": "00123",
        "state": "ok",
        "error": None,
        "hint": None,
        "meter_offset": None,
        "tariffs": {},
        "last": None,
        "values": {},
        "flags": [],
        "due": True,
    }
    answer = ask(daemon, **{"op": "enter", **request("cellar", Typed({"T1": "01234,5"}), False)})
    assert answer["stored"]
    row = rows(daemon)["cellar"]
    assert (row["values"], row["flags"], row["due"]) == ({"1-0:1.8.1": 1_234_500}, ["manual"], False)
    assert ask(daemon, "status")["pending"] == ask(daemon, "status")["last_seq"]


def test_reading_all_points_leaves_out_what_a_person_reads(daemon: Daemon) -> None:
    answer = ask(daemon, "peek")
    assert [failure["point"] for failure in answer["failed"]] == ["flat-12"]
    assert ask(daemon, "pause")["points"] == ["flat-12"]
    questions: tuple[tuple[str, dict[str, Any]], ...] = (("peek", {}), ("pause", {}), ("set-clock", {}))
    for op, more in questions:
        with pytest.raises(RequestRefused, match="cellar is on no bus: it is read by hand"):
            ask(daemon, op, points=["cellar"], **more)
    with pytest.raises(RequestRefused, match="no point named 'attic'; there are: flat-12"):
        ask(daemon, "peek", points=["attic"])


def test_the_doctor_asks_for_a_reading_that_is_due(daemon: Daemon) -> None:
    found = [finding for finding in doctor.of_meters(ask(daemon, "status")) if finding.what == "meter cellar"]
    assert [(finding.text, finding.todo) for finding in found] == [
        ("its reading has to be typed in", "meterpost enter cellar")
    ]
    assert list(doctor.of_meters(ask(daemon, "status")))[-1].text.endswith("of 1 answer")


def test_what_cannot_be_taken_comes_back_in_words(daemon: Daemon) -> None:
    with pytest.raises(RequestRefused, match="type zeros in front too, 01234"):
        ask(daemon, **{"op": "enter", **request("cellar", Typed({"T1": "1234"}), True)})


def test_a_new_configuration_brings_and_takes_such_points(daemon: Daemon) -> None:
    attic = replace(CELLAR, point="attic", serial="7")
    daemon.in_force.use(replace(daemon.in_force.values, meters=(FLAT, attic)))
    assert set(rows(daemon)) == {"flat-12", "attic"}
    with pytest.raises(RequestRefused, match="no point named 'cellar'; an operator reads attic"):
        ask(daemon, **{"op": "enter", **request("cellar", Typed({"T1": "01234"}), True)})
    assert ask(daemon, **{"op": "enter", **request("attic", Typed({"T1": "01234"}), True)})["stored"]


def test_the_daily_job_reminds(daemon: Daemon) -> None:
    daemon.manual.remind()
    daemon.writer.flush()
    found = [record for record, _, _ in daemon.store.rows() if record.event and record.event["code"] == "reading-due"]
    assert [record.point for record in found] == ["cellar"]
