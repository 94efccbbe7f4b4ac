"""``meterpost ports``: which serial ports there are, by which stable names, and who uses them. Opens none of them.

Opening a port would raise DTR and wake whatever is connected to it, so everything comes from /sys, /dev and /proc. The
list is not pyserial's, which leaves out the UARTs of small boards (their drivers are "platform" devices).
"""

import os
import re
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE, JSON
from agent.cli.screen import emit, fitted, note

STABLE = ("dev/meterpost", "dev/serial/by-id", "dev/serial/by-path")
NO_UART = "0"  # /sys/class/tty/ttyS*/type of a port that the kernel prepared and no hardware has


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One port. ``names`` are stable links, the best first; ``latency_ms``: FTDI's timer; ``holder``: "PID name"."""

    device: str
    names: tuple[str, ...]
    product: str | None
    driver: str | None
    latency_ms: int | None
    holder: str | None
    bus: str | None

    @property
    def best(self) -> str:
        return self.names[0] if self.names else self.device


def ports(
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
    root: Annotated[Path, typer.Option(hidden=True)] = Path("/"),
) -> None:
    """List serial ports with the names that stay the same after unplugging; use those in the configuration.

    Example: meterpost ports
    """
    found = look(root, buses_of(config))
    if as_json:
        emit([asdict(port) for port in found])
        return
    if not found:
        note("no serial ports here; is the adapter plugged in? (dmesg says what the kernel thinks)")
        return
    headings = ("name", "device", "adapter", "driver", "latency", "used by", "bus")
    rows = [
        (
            port.best,
            port.device,
            port.product or "",
            port.driver or "",
            _latency(port),
            port.holder or "",
            port.bus or "",
        )
        for port in found
    ]
    print("\n".join(fitted(headings, rows)))
    for port in found:
        if port.latency_ms and port.latency_ms > 1:
            note(f"{port.device}: every answer waits up to {port.latency_ms} ms in the adapter; 1 ms is better")


def look(root: Path, buses: dict[str, str]) -> list[SerialPort]:
    """The ports under ``root``; ``buses`` is real device path → name of the bus that uses it."""
    links = _links(root)
    holders = _holders(root)
    found = []
    for entry in sorted((root / "sys/class/tty").glob("*")):
        hardware = entry / "device"
        if not hardware.exists() or _text(entry / "type") == NO_UART:
            continue
        device = f"/dev/{entry.name}"
        latency = _text(hardware / "latency_timer")
        found.append(
            SerialPort(
                device=device,
                names=tuple(links.get(device, ())),
                product=_product(hardware.resolve(), root),
                driver=(hardware / "driver").resolve().name if (hardware / "driver").exists() else None,
                latency_ms=int(latency) if latency and latency.isdigit() else None,
                holder=holders.get(device),
                bus=buses.get(device),
            )
        )
    return found


def buses_of(config: Path) -> dict[str, str]:
    """Device → bus from a configuration that may still be unfinished: what cannot be read is simply not known yet."""
    buses: dict[str, str] = {}
    for file in [config, *sorted((config.parent / "conf.d").glob("*.toml"))]:
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8")).get("bus", [])
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            note(f"{file}: not looked at: {error}")
            continue
        for table in tables if isinstance(tables, list) else []:
            port = table.get("port") if isinstance(table, dict) else None
            if isinstance(port, str) and port.startswith("/"):
                buses[os.path.realpath(port)] = str(table.get("name"))
    return buses


def _links(root: Path) -> dict[str, list[str]]:
    """Device → its stable names."""
    links: dict[str, list[str]] = {}
    for folder in STABLE:
        for link in sorted((root / folder).glob("*")):
            if link.is_symlink():
                device = os.path.normpath(f"/{folder}/{link.readlink()}")
                links.setdefault(device, []).append(f"/{folder}/{link.name}")
    return links


def _product(hardware: Path, root: Path) -> str | None:
    """Maker and product of the USB device that the port belongs to."""
    top = (root / "sys").resolve()
    for folder in hardware.parents:
        if folder == top:
            return None
        product = _text(folder / "product")
        if product:
            return " ".join(filter(None, (_text(folder / "manufacturer"), product)))
    return None


def _holders(root: Path) -> dict[str, str]:
    """Device → "PID name" of a process that has it open or has locked it.

    Open files of other users are root's to see; the locks that meterpost and pyserial take are everybody's.
    """
    holders = _locks(root)
    for process in (root / "proc").glob("[0-9]*"):
        try:
            targets = [os.readlink(opened) for opened in (process / "fd").iterdir()]  # noqa: PTH115 - text is enough
        except OSError:  # another user's, or it has just ended
            continue
        for target in targets:
            if target.startswith("/dev/tty"):
                holders[target] = _process(root, process.name)
    return holders


def _locks(root: Path) -> dict[str, str]:
    """From /proc/locks: "1: FLOCK  ADVISORY  WRITE 1234 00:06:437 0 EOF", device in hex, then the inode."""
    held: dict[tuple[int, int, int], str] = {}
    for line in (_text(root / "proc/locks") or "").splitlines():
        found = re.search(r"FLOCK .* (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ", line)
        if found:
            held[int(found[2], 16), int(found[3], 16), int(found[4])] = found[1]
    locks: dict[str, str] = {}
    for device in (root / "dev").glob("tty*") if held else ():
        state = device.stat()
        process = held.get((os.major(state.st_dev), os.minor(state.st_dev), state.st_ino))
        if process:
            locks[f"/dev/{device.name}"] = _process(root, process)
    return locks


def _process(root: Path, number: str) -> str:
    return f"{number} {_text(root / 'proc' / number / 'comm') or ''}".strip()


def _latency(port: SerialPort) -> str:
    return "" if port.latency_ms is None else f"{port.latency_ms} ms"


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
