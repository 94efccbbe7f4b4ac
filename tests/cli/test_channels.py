"""``meterpost channels`` before a simulated modem on a pty and a real mail server."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from agent.cli import channels
from simulators.modem import TEXT, Modem, ModemLine
from tests.channels.post import Post, certificate, serving
from tests.cli.conftest import Run

pytestmark = pytest.mark.slow

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/schemas/channels.json").read_text())
NUMBER = "+79161234567"


@pytest.fixture
def modem(house: Path, tmp_path: Path) -> Iterator[Modem]:
    """A modem of the house's own; the file names its port."""
    simulated = Modem()
    pin = tmp_path / "sim.secret"
    pin.write_text("9999\n")
    pin.chmod(0o600)
    with ModemLine(simulated) as line, house.open("a") as file:
        file.write(f'[modem]\nport = "{line.path}"\npin_file = "{pin}"\n')
        file.flush()
        yield simulated


@pytest.fixture
def post(house: Path, tmp_path: Path) -> Iterator[Post]:
    """A mail server that the file names."""
    handler, files = Post(), certificate(tmp_path, "127.0.0.1")
    password = tmp_path / "mail.secret"
    password.write_text("secret\n")
    password.chmod(0o600)
    server = serving(handler, files)
    server.start()
    with house.open("a") as file:
        file.write(
            f'[mail]\nhost = "127.0.0.1"\nport = {server.port}\nsender = "gw@example.org"\nusername = "meter"\n'
            f'password_file = "{password}"\nca_file = "{files[0]}"\n'
        )
    yield handler
    server.stop()


def test_a_look_shows_both_and_sends_nothing(run: Run, house: Path, modem: Modem, post: Post) -> None:
    done = run("channels", "-c", str(house))
    assert done.code == 0
    for line in ("SIM      ready", "network  home (MTS RUS)", "signal   -71 dBm", "login  accepted"):
        assert f"  {line}\n" in done.out
    assert modem.sent == []
    assert post.letters == []


def test_json_keeps_its_schema(run: Run, house: Path, modem: Modem, post: Post) -> None:
    done = run("channels", "-c", str(house), "--json")
    jsonschema.validate(done.document, SCHEMA)
    assert done.document["modem"]["trouble"] is None
    modem.sim, post.users = "", {}
    done = run("channels", "-c", str(house), "--json")
    jsonschema.validate(done.document, SCHEMA)
    assert done.code == 1
    assert done.document["modem"]["trouble"]["kind"] == "no-sim"
    assert done.document["mail"]["trouble"]["kind"] == "login"


def test_what_is_missing_is_said_with_what_to_do(run: Run, house: Path, modem: Modem) -> None:
    modem.sim = "SIM PUK"
    done = run("channels", "-c", str(house))
    assert done.code == 1
    assert "puk-needed: the SIM is locked and wants its PUK" in done.out
    assert "hint: put the SIM into a phone" in done.out


def test_a_wrong_pin_is_tried_again_only_when_a_person_says_so(run: Run, house: Path, modem: Modem) -> None:
    modem.sim = "SIM PIN"
    for _ in range(2):
        assert "wrong-pin" in run("channels", "-c", str(house)).out
    assert modem.tries == 2
    assert run("channels", "forget-pin", "-c", str(house)).code == 0
    assert modem.tries == 2
    assert "wrong-pin" in run("channels", "-c", str(house)).out
    assert modem.tries == 1


def test_a_test_message_is_shown_and_leaves_only_when_told_to(run: Run, house: Path, modem: Modem) -> None:
    done = run("channels", "test-sms", NUMBER, "-c", str(house))
    assert (done.code, done.out) == (0, f"to {NUMBER}, 1 message: meterpost gw-000123: test\n")
    assert "nothing was sent" in done.err
    assert modem.heard == []
    done = run("channels", "test-sms", NUMBER, "--send", "-c", str(house))
    assert done.code == 0
    assert done.out.splitlines()[1:] == ["the network took it, reference 1", "the service centre says: delivered"]
    assert [one.text for one in modem.sent] == ["meterpost gw-000123: test"]
    assert modem.stored["SR"] == {}


def test_a_message_that_did_not_arrive_is_a_failure(run: Run, house: Path, modem: Modem) -> None:
    modem.status = 0x41
    done = run("channels", "test-sms", NUMBER, "--send", "-c", str(house))
    assert (done.code, done.out.splitlines()[-1]) == (1, "the service centre says: failed")


def test_no_word_of_the_delivery_is_no_failure(
    run: Run, house: Path, modem: Modem, monkeypatch: pytest.MonkeyPatch
) -> None:
    modem.status = None
    monkeypatch.setattr(channels, "REPORTED", 0.0)
    done = run("channels", "test-sms", NUMBER, "--send", "-c", str(house))
    assert done.code == 0
    assert "no word of its delivery" in done.err


def test_a_refused_message_ends_with_the_reason(run: Run, house: Path, modem: Modem) -> None:
    modem.faults[TEXT] = ["+CMS ERROR: 8"]
    done = run("channels", "test-sms", NUMBER, "--send", "-c", str(house))
    assert done.code == 1
    assert "CMS error 8 (operator determined barring)" in done.err


def test_a_test_email_is_shown_and_leaves_only_when_told_to(run: Run, house: Path, post: Post) -> None:
    assert "nothing was sent" in run("channels", "test-mail", "a@example.org", "-c", str(house)).err
    assert post.letters == []
    done = run("channels", "test-mail", "a@example.org", "--send", "-c", str(house))
    assert done.code == 0
    assert post.letters[0]["Subject"] == "meterpost gw-000123: проверка"
    assert post.letters[0]["Message-ID"] in done.out


@pytest.mark.parametrize("args", [(), ("test-sms", NUMBER), ("test-mail", "a@example.org")])
def test_a_gateway_without_these_ways_says_so(run: Run, house: Path, args: tuple[str, ...]) -> None:
    done = run("channels", *args, "-c", str(house))
    assert done.code == 78
    assert "[modem]" in done.err or "[mail]" in done.err


def test_what_is_no_number_is_wrong_usage(run: Run, house: Path, modem: Modem) -> None:
    assert run("channels", "test-sms", "energo", "-c", str(house)).code == 2
    assert modem.heard == []
