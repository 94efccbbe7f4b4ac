"""``meterpost ports`` on a machine made of files: /sys, /dev and /proc."""

import os
from pathlib import Path

import pytest

from agent.cli.ports import buses_of, look
from tests.cli.conftest import Run

BY_ID = "/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """An FTDI adapter held by a daemon, a board's UART that is free, and a legacy port without hardware."""
    usb = tmp_path / "sys/devices/usb1/1-1"
    hardware = usb / "1-1:1.0/ttyUSB0"
    (tmp_path / "sys/drivers/ftdi_sio").mkdir(parents=True)
    hardware.mkdir(parents=True)
    (usb / "product").write_text("FT232R USB UART\n")
    (usb / "manufacturer").write_text("FTDI\n")
    (hardware / "latency_timer").write_text("16\n")
    (hardware / "driver").symlink_to(tmp_path / "sys/drivers/ftdi_sio")
    for name, device, kind in (("ttyUSB0", hardware, "0x0"), ("ttyAMA0", None, "32"), ("ttyS4", None, "0")):
        entry = tmp_path / "sys/class/tty" / name
        entry.mkdir(parents=True)
        if device is None:
            device = tmp_path / "sys/devices/platform" / name
            device.mkdir(parents=True)
        (entry / "device").symlink_to(device)
        (entry / "type").write_text(f"{kind}\n")
    (tmp_path / "sys/class/tty/tty0").mkdir()  # a console: no device
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    (tmp_path / "dev/ttyUSB0").touch()
    (tmp_path / "dev/ttyAMA0").touch()
    (tmp_path / BY_ID[1:]).symlink_to("../../ttyUSB0")
    opened = tmp_path / "proc/4711/fd"
    opened.mkdir(parents=True)
    (opened / "3").symlink_to("/dev/ttyUSB0")
    (tmp_path / "proc/4711/comm").write_text("meterpost\n")
    return tmp_path


def test_ports_are_found_with_stable_name_adapter_driver_latency_and_holder(machine: Path) -> None:
    uart, usb = look(machine, {"/dev/ttyUSB0": "riser-1"})
    assert (usb.device, usb.best, usb.names) == ("/dev/ttyUSB0", BY_ID, (BY_ID,))
    assert (usb.product, usb.driver, usb.latency_ms) == ("FTDI FT232R USB UART", "ftdi_sio", 16)
    assert (usb.holder, usb.bus) == ("4711 meterpost", "riser-1")
    assert (uart.device, uart.best, uart.holder, uart.product) == ("/dev/ttyAMA0", "/dev/ttyAMA0", None, None)


def test_a_lock_tells_the_holder_where_open_files_of_others_are_hidden(machine: Path) -> None:
    (machine / "proc/4711/fd/3").unlink()
    state = (machine / "dev/ttyAMA0").stat()
    device = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
    (machine / "proc/locks").write_text(
        f"1: POSIX  ADVISORY  WRITE 99 {device} 0 EOF\n2: FLOCK  ADVISORY  WRITE 4711 {device} 0 EOF\n"
    )
    uart, usb = look(machine, {})
    assert (uart.holder, usb.holder) == ("4711 meterpost", None)


def test_a_table_and_json_say_the_same(run: Run, machine: Path) -> None:
    args = ("ports", "--root", str(machine), "-c", str(machine / "none.toml"))
    text = run(*args)
    assert text.code == 0
    assert BY_ID in text.out
    assert "16 ms in the adapter" in text.err
    listed = run(*args, "--json").document
    assert [port["device"] for port in listed] == ["/dev/ttyAMA0", "/dev/ttyUSB0"]
    assert listed[1]["names"] == [BY_ID]


def test_no_port_is_said_and_is_an_empty_list(run: Run, tmp_path: Path) -> None:
    args = ("ports", "--root", str(tmp_path), "-c", str(tmp_path / "none.toml"))
    assert "plugged in" in run(*args).err
    assert run(*args, "--json").document == []


def test_buses_are_known_from_an_unfinished_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to("ttyUSB0")
    (tmp_path / "meterpost.toml").write_text(f'[[bus]]\nname = "riser-1"\nport = "{tmp_path / "by-id"}"\n')
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/broken.toml").write_text("[[bus")
    assert buses_of(tmp_path / "meterpost.toml") == {str(tmp_path / "ttyUSB0"): "riser-1"}
    assert "broken.toml: not looked at" in capsys.readouterr().err
