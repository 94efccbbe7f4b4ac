"""``make bench``: every promise measured in one run; ``make bench ARGS="bus store"`` for some of them."""

import subprocess
import sys

WIDTHS = {
    "bus": "use of the line, CPU per transaction, a dead meter",
    "store": "commits, octets kept, octets on the device",
    "backlog": "an outage's backlog through mosquitto",
    "daemon": "memory, CPU per poll, start",
    "iec": "IEC 62056-21",
    "dlms": "DLMS/COSEM",
    "soak": "90 simulated days of 32 meters: memory, descriptors, the store's size",
    "heal": "30 days of half-hours from the archives of a Mercury and a SPODES meter",
}


def main() -> int:
    wanted = sys.argv[1:] or list(WIDTHS)
    unknown = [name for name in wanted if name not in WIDTHS]
    if unknown:
        print(f"{', '.join(unknown)}: there are: {', '.join(WIDTHS)}", file=sys.stderr)
        return 2
    failed = 0
    for name in wanted:
        print(f"── {name}: {WIDTHS[name]}", flush=True)
        # A process each: what one has imported must not count as another's memory.
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
