"""The files for systemd and udev, judged by systemd's own tools where the machine has them."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "systemd"
UNIT = FOLDER / "meterpost.service"
RULES = FOLDER / "udev" / "70-meterpost.rules"
PROGRAM = "/opt/meterpost/bin/meterpost"


def tool(name: str) -> str:
    """The tool's path; the test is skipped where the machine lacks it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not on this machine (package systemd or udev)")
    return path


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def service() -> dict[str, list[str]]:
    """The [Service] section; a key may stand several times."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().partition("[Service]")[2].partition("[Install]")[0].splitlines():
        if line and line[0] != "#":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(PROGRAM, "/bin/true"))  # the program need not be installed here
    said = run(analyze, "verify", str(unit))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_exposure_is_at_most_one_and_a_half() -> None:
    analyze = tool("systemd-analyze")
    said = run(analyze, "security", "--offline=true", "--threshold=15", str(UNIT))  # in tenths
    if "offline" in said.stderr:
        pytest.skip("this systemd-analyze cannot judge a file")
    assert "Overall exposure level" in said.stdout
    assert said.returncode == 0, said.stdout.splitlines()[-1]


def test_the_service_can_still_do_its_work() -> None:
    settings = service()
    assert settings["Type"] == ["notify"]
    assert settings["NotifyAccess"] == ["main"]
    assert settings["User"] == ["meterpost"]
    assert settings["StateDirectory"] == ["meterpost"]
    assert settings["UMask"] == ["0027"]  # the group may look into the store
    assert {f"char-tty{kind} rw" for kind in ("USB", "ACM", "AMA", "S")} <= set(settings["DeviceAllow"])
    assert "PrivateDevices" not in settings  # it would hide the serial ports
    assert {"AF_UNIX", "AF_INET", "AF_INET6"} == set(settings["RestrictAddressFamilies"][0].split())
    assert settings["RestartPreventExitStatus"] == ["2 78"]
    assert settings["Restart"] == ["always"]
    assert settings["ExecStart"][0].startswith(f"{PROGRAM} run ")


def test_the_drivers_of_the_ports_that_are_allowed_are_there_before_the_service() -> None:
    """A kind of port that /proc/devices does not have when the service starts stays forbidden (systemd 257)."""
    unit = UNIT.read_text().partition("[Service]")[0].splitlines()
    drivers = {f"modprobe@{name}.service" for name in ("usbserial", "cdc_acm", "sc16is7xx")}
    for key in ("Wants=", "After="):
        assert drivers <= {name for line in unit if line.startswith(key) for name in line.removeprefix(key).split()}


def test_the_user_and_its_folders_come_into_being(tmp_path: Path) -> None:
    sysusers, tmpfiles = tool("systemd-sysusers"), tool("systemd-tmpfiles")
    if os.geteuid():
        pytest.skip("only root can make users in another root directory")
    (tmp_path / "etc").mkdir()
    said = run(sysusers, f"--root={tmp_path}", str(FOLDER / "sysusers.d" / "meterpost.conf"))
    assert said.returncode == 0, said.stderr
    said = run(tmpfiles, f"--root={tmp_path}", "--create", str(FOLDER / "tmpfiles.d" / "meterpost.conf"))
    assert said.returncode == 0, said.stderr
    (number, group), *_ = re.findall(r"^meterpost:x:(\d+):(\d+):", (tmp_path / "etc/passwd").read_text(), re.M)
    assert re.search(r"^dialout:.*:meterpost$", (tmp_path / "etc/group").read_text(), re.M)
    store, settings = (tmp_path / "var/lib/meterpost").stat(), (tmp_path / "etc/meterpost").stat()
    assert (store.st_uid, store.st_gid, store.st_mode & 0o777) == (int(number), int(group), 0o750)
    assert (settings.st_uid, settings.st_gid, settings.st_mode & 0o777) == (0, int(group), 0o750)


def test_udev_accepts_the_rules() -> None:
    said = run(tool("udevadm"), "verify", str(RULES))
    if "Unknown command" in said.stderr or "unknown" in said.stderr.lower():
        pytest.skip("this udevadm cannot judge rules (systemd before 254)")
    assert said.returncode == 0, said.stdout + said.stderr


KEY = r"(?:ACTION|SUBSYSTEMS?|KERNEL|DRIVER|ENV\{\w+\}|ATTR\{\w+\}|SYMLINK|GOTO|LABEL)"
MATCHES, SETS = {"==", "!="}, {"=", "+="}


def rules() -> list[list[tuple[str, ...]]]:
    """Key, operator and value of each rule; AssertionError where a line is not a rule."""
    found = []
    for line in RULES.read_text().splitlines():
        if line and line[0] != "#":
            parts = [re.fullmatch(rf'({KEY})(==|!=|\+=|=)"([^"]*)"', part.strip()) for part in line.split(",")]
            assert all(parts), line
            found.append([part.groups() for part in parts if part])
    return found


def test_each_rule_is_made_of_known_keys_and_jumps_to_its_label() -> None:
    for rule in rules():
        for key, operator, _ in rule:
            assert operator in (MATCHES if key in ("ACTION", "SUBSYSTEM", "KERNEL", "DRIVER") else MATCHES | SETS)
    flat = [part for rule in rules() for part in rule]
    assert {value for key, _, value in flat if key == "GOTO"} == {value for key, _, value in flat if key == "LABEL"}


def test_the_rules_give_names_low_latency_and_peace_from_modem_managers() -> None:
    flat = [part for rule in rules() for part in rule]
    assert ("ATTR{latency_timer}", "=", "1") in flat
    assert ("ENV{ID_MM_DEVICE_IGNORE}", "=", "1") in flat
    assert sum(key == "SYMLINK" and value.startswith("meterpost/") for key, _, value in flat) == 2


def test_an_adapter_that_is_there_already_becomes_quick_by_the_trigger_of_the_installation() -> None:
    """``udevadm trigger`` says "change"; an adapter that is plugged in later says "add" and, once it has its driver,
    "bind"."""
    (rule,) = (rule for rule in rules() if ("ATTR{latency_timer}", "=", "1") in rule)
    assert ("ACTION", "==", "add|bind|change") in rule


def test_the_unit_is_sound_as_a_file_and_every_section_is_known() -> None:
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
    parser.optionxform = str  # type: ignore[method-assign,assignment]  # as the library's manual says
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]
