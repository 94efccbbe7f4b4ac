"""Keys of a driver by file: read by the rules of passwords, never shown, handed to the driver as octets."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.config.explain import explain
from agent.config.settings import expected, written_as
from agent.config.values import Config, Secret
from agent.meters.build import build
from drivers import registry
from drivers.dlms.driver import families
from drivers.dlms.settings import SETTINGS
from drivers.reading import MeterPlan
from protocols.session import Line
from tests.config.conftest import House

KEY = "00112233445566778899aabbccddeeff"
GAK = "A-key-of-16-char"
METER = """\
driver = "spodes"
security = "both"
mechanism = "hls5"
client = 48
block_key_file = "block.key"
auth_key_file = "auth.key"
"""


@pytest.fixture
def keyed(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A ciphered meter whose keys are in files."""
    monkeypatch.setattr(registry, "SHIPPED", {"drivers.dlms.driver": ("spodes",)})
    monkeypatch.setattr(registry, "of_module", lambda module, models_dir=None: families())
    house.change('driver = "mercury230"\n', METER)
    house.secret(KEY + "\n", "block.key")
    house.secret(GAK, "auth.key")
    return house


def driver_of(config: Config) -> Any:
    return build(config)["riser-1"][0].driver


@pytest.mark.parametrize("text", [KEY, KEY.upper() + "\n", "hex:" + KEY, "hex:" + KEY + "\r\n"])
def test_the_driver_gets_the_key_that_stands_in_the_file(keyed: House, text: str) -> None:
    keyed.secret(text, "block.key")
    keys = driver_of(keyed.load())._how.keys
    assert keys.block == bytes.fromhex(KEY) and keys.authentication == GAK.encode()


@pytest.mark.parametrize("security", ["auth", "encrypt", "both", "none"])
@pytest.mark.parametrize("key", ["block_key_file", "auth_key_file"])
def test_a_key_that_nobody_wrote_is_a_fault_where_the_security_needs_it(keyed: House, security: str, key: str) -> None:
    keyed.change('"both"', f'"{security}"')  # hls5 proves itself with both keys, whatever protects the messages
    keyed.change(f'{key} = "{key.removesuffix("_key_file")}.key"\n', "")
    fault = keyed.fault()
    assert fault.key == f"meter[1].{key}" and fault.found == "nothing"
    assert ("authentication hls5" if security == "none" else f'security = "{security}"') in fault.expected


def test_keys_that_nothing_needs_may_be_missing(keyed: House) -> None:
    keyed.change(METER.removeprefix('driver = "spodes"\n'), "client = 16\n")
    assert driver_of(keyed.load())._how.fault is None


@pytest.mark.parametrize("client", [32, 48])
def test_a_client_that_logs_in_with_a_password_needs_its_file(keyed: House, client: int) -> None:
    keyed.change(METER.removeprefix('driver = "spodes"\n'), f"client = {client}\n")
    fault = keyed.fault()
    assert fault.key == "meter[1].password_file" and f"client {client}" in fault.expected
    keyed.secret("0123456789abcdef", "a.secret")
    keyed.change("client = ", 'password_file = "a.secret"\nclient = ')
    assert driver_of(keyed.load())._how.fault is None


def test_a_key_may_be_a_credential_of_the_service(keyed: House, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed.secret(KEY, "given/guek", mode=0o640)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keyed.folder / "given"))
    keyed.change('"block.key"', '"credential:guek"')
    assert driver_of(keyed.load())._how.keys.block == bytes.fromhex(KEY)


def test_outside_the_service_a_credential_is_a_warning_at_its_place(keyed: House) -> None:
    keyed.change('"block.key"', '"credential:guek"')
    assert "credential guek outside the service" in keyed.fault().found
    (warning,) = [one for one in keyed.load(service=False).warnings if "guek" in one]
    line = keyed.file.read_text().split("\n").index('block_key_file = "credential:guek"') + 1
    assert warning.startswith(f"{keyed.file}:{line}:")


@pytest.mark.parametrize(
    "wrong", ["0011223344", KEY + "00", KEY[:-1] + "g", "hex:hunter2", "too-long-for-a-key", "sixteen-caract-é"]
)
def test_a_key_of_another_form_is_a_fault_at_its_place_that_does_not_show_it(keyed: House, wrong: str) -> None:
    keyed.secret(wrong, "block.key")
    fault = keyed.fault()
    assert (fault.key, "32 hex digits or 16 characters" in fault.expected) == ("meter[1].block_key_file", True)
    assert keyed.file.read_text().split("\n")[fault.line - 1].startswith("block_key_file")
    assert wrong not in str(fault) and wrong.removeprefix("hex:") not in str(fault)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(keyed: House, mode: int) -> None:
    file = keyed.secret(KEY, "block.key", mode)
    assert f"chmod 600 {file}" in keyed.fault().expected


@pytest.mark.parametrize("text", ["", "one\ntwo\n"])
def test_a_key_is_one_line(keyed: House, text: str) -> None:
    keyed.secret(text, "auth.key")
    assert keyed.fault().key == "meter[1].auth_key_file"


def test_a_missing_file_is_a_fault_with_its_name(keyed: House) -> None:
    keyed.change('"block.key"', '"bloc.key"')
    assert f"{keyed.folder / 'bloc.key'}, which does not exist" in keyed.fault().found


@pytest.mark.parametrize("secret", [KEY, "hex:" + KEY, GAK])
def test_a_key_in_the_place_of_its_files_path_is_not_shown(keyed: House, secret: str) -> None:
    keyed.change('"block.key"', f'"{secret}"')
    fault = keyed.fault()
    assert secret not in str(fault) and "the path of a file" in fault.expected


@pytest.mark.parametrize("value", ["17", "true", '""', "[]"])
def test_only_a_path_may_stand_there(keyed: House, value: str) -> None:
    keyed.change('"block.key"', value)
    assert keyed.fault().expected == 'the path of a file with it, or "credential:NAME"'


def test_what_is_in_force_is_shown_without_the_keys(keyed: House) -> None:
    config = keyed.load()
    shown = {entry.key: (entry.value, entry.origin) for entry in explain(config)}
    assert shown["meter[1].block_key_file"] == ("***", "file")
    assert shown["meter[1].auth_key_file"] == ("***", "file")
    keyed.change(METER.removeprefix('driver = "spodes"\n'), 'client = 16\nblock_key_file = "block.key"\n')
    assert {entry.key: entry.value for entry in explain(keyed.load())}["meter[1].auth_key_file"] == "none"


def test_no_value_shows_a_key_and_pickling_keeps_it(keyed: House) -> None:
    config = keyed.load()
    again = pickle.loads(pickle.dumps(config))
    assert again == config and again.meters[0].settings["block_key_file"] == Secret(KEY)
    plan = MeterPlan("spodes", "1", "1", Line(), password=b"hunter2", settings={"block_key_file": KEY.encode()})
    for text in (repr(config), str(config.meters[0]), repr(plan), repr(driver_of(config)._how)):
        assert KEY not in text and GAK not in text and "hunter2" not in text


def test_secrets_say_what_may_stand_there_and_have_no_default_to_show() -> None:
    secrets = [setting for setting in SETTINGS if setting.kind == "secret"]
    assert {setting.name for setting in secrets} == {"block_key_file", "auth_key_file"}
    for setting in secrets:
        assert "credential:NAME" in expected(setting) and written_as(setting, setting.default) == "none"
        assert setting.check is not None and setting.check(KEY) == bytes.fromhex(KEY)


@pytest.mark.slow
def test_the_daemon_s_way_hands_the_keys_over(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.change('driver = "mercury230"\n', METER)
    house.secret(KEY, "block.key")
    house.secret(GAK, "auth.key")
    code = (
        "from pathlib import Path; from agent.config.child import load_in_child; from agent.meters.build import build\n"
        f"keys = build(load_in_child(Path({str(house.file)!r})))['riser-1'][0].driver._how.keys\n"
        "print(keys.block.hex(), keys.authentication.decode(), keys)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [KEY, GAK, "Keys()"]
