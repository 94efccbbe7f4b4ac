"""``python -m simulators.intake --broker mqtt://localhost --database intake.db``: an intake until Ctrl-C."""

import argparse
import logging
import signal
import threading
from pathlib import Path

from simulators.intake.service import Behaviour, Intake


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.intake", description="A utility's intake: stores records, answers receipts."
    )
    parser.add_argument(
        "--broker", default="mqtt://localhost:1883", help="mqtt://[user:password@]host[:port] or mqtts://"
    )
    parser.add_argument("--database", default="intake.db", help="a file for SQLite, or postgresql://…")
    parser.add_argument("--ca-file", type=Path, help="who signs the broker's certificate (mqtts)")
    parser.add_argument("--group", help="name of a shared subscription: several workers share the load")
    parser.add_argument("--client-id", help="a fixed name: the broker keeps messages while this worker is away")
    parser.add_argument("--points", type=Path, help="a file of known points, one a line; others are refused")
    parser.add_argument("--validate", action="store_true", help="check every message against docs/schemas (slow)")
    parser.add_argument("--silent", action="store_true", help="store, but send no receipts")
    parser.add_argument("--late", type=float, default=0.0, help="seconds by which receipts come late")
    parser.add_argument("--twice", action="store_true", help="send each receipt two times")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        intake = Intake(
            given.broker,
            given.database,
            points=None if given.points is None else given.points.read_text().split("\n"),
            group=given.group,
            client_id=given.client_id,
            ca_file=given.ca_file,
            validate=given.validate,
            behaviour=Behaviour(silent=given.silent, late=given.late, twice=given.twice),
        )
    except ModuleNotFoundError as missing:
        parser.error(f"{missing.name} is not installed here: pip install {missing.name}")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    intake.start()
    while not over.wait(10):
        print(f"{intake.count()} records stored, {dict(intake.counters)}", flush=True)
    intake.stop()


if __name__ == "__main__":
    main()
