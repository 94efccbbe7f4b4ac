"""Power cuts: what reached the block device when the power went is all that there is afterwards.

The store runs on an ext4 on a loop device. The image behind it holds what was written to the device and nothing of what
still waits in memory, so a copy of it, taken while the writing process stands still, is a disk after a power cut.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.buffer.plant import everything, opened

WRITER = """
import sys
from pathlib import Path
from tests.buffer.plant import opened, readings
store = opened(Path(sys.argv[1]))
number = 0
while True:
    size = 1 + number % 7
    stored = store.apply(readings(number + 1, number + size), confirmed=[(1, number // 2)])
    number += size
    print(stored[-1].seq, flush=True)
"""


@contextmanager
def mounted(image: Path, where: Path) -> Iterator[Path]:
    where.mkdir(exist_ok=True)
    try:
        # No journal commit by the clock: it would write to the device while the image is being copied.
        subprocess.run(["mount", "-o", "loop,commit=300", image, where], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as trouble:
        pytest.skip(f"no loop device: {trouble}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


def stand_still(pid: int) -> None:
    """The process is in no call of the kernel any more."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.001)


def told(output: int) -> int:
    """The last number that the writer has announced as stored."""
    text = b""
    with suppress(BlockingIOError):
        while piece := os.read(output, 65536):
            text += piece
    lines = text.rsplit(b"\n", 1)[0].split()
    return int(lines[-1]) if lines else 0


@pytest.mark.slow
def test_what_was_stored_survives_a_power_cut_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(24 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
    except (OSError, subprocess.CalledProcessError) as trouble:
        pytest.skip(f"no ext4: {trouble}")
    promised: list[tuple[Path, int]] = []
    with mounted(image, tmp_path / "running") as disk:
        command = [sys.executable, "-c", WRITER, str(disk / "state")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            try:
                assert writer.stdout is not None
                writer.stdout.read(2)  # it runs
                os.set_blocking(writer.stdout.fileno(), False)
                stored = 0
                for cut in range(12):
                    time.sleep(chance.uniform(0.01, 0.25))
                    stand_still(writer.pid)
                    stored = max(stored, told(writer.stdout.fileno()))
                    promised.append((tmp_path / f"cut-{cut}", stored))
                    shutil.copyfile(image, promised[-1][0])
                    os.kill(writer.pid, signal.SIGCONT)
            finally:
                writer.kill()
    assert promised[-1][1] > 100, "the writer got somewhere"
    for copy, stored in promised:
        with mounted(copy, tmp_path / "after") as disk, closing(opened(disk / "state")) as store:
            assert store.events == []
            assert stored <= store.last_seq
            rows = store.rows(limit=10**6)
            assert [record.seq for record, _, _ in rows] == list(range(1, store.last_seq + 1))
            assert all(int(record.values["1-0:1.8.0"]) == 2_000_100 + record.seq for record, _, _ in rows)
            assert {json.loads(text)["seq"] for _, text in everything(store)} == {
                record.seq for record, state, _ in rows if state == "pending"
            }
