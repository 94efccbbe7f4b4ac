"""A gateway in this process with real parts around it: a daemon, mosquitto, an intake, one simulated meter."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.config.values import Bus, Config, Gateway, Intake, Meter, Poll
from agent.daemon import Daemon
from agent.host.clock import SystemClock
from protocols.session import Line
from simulators.intake.service import Intake as Utility
from simulators.mercury230 import Mercury230
from tests.support.broker import Broker
from tests.support.waiting import T, until
from tests.support.wire import QuickPort

GATEWAY = "gw-1"


class OneMeter:
    """``meter`` is the point flat-1, polled every second; the gateway's clock is ``ahead`` seconds ahead of ours."""

    ahead: float
    meter: Mercury230
    utility: Utility
    daemon: Daemon

    def start(
        self, folder: Path, stack: ExitStack, poll: Poll, allow: tuple[str, ...], *, more: Any = None, **gateway: Any
    ) -> None:
        """Everything runs until the stack ends. ``more``: further keys of the meter, ``gateway``: of ``[gateway]``."""
        broker = stack.enter_context(Broker(folder))
        self.utility = Utility(broker.url, folder / "intake.db", validate=True)
        self.utility.start(wait=10)
        stack.callback(self.utility.stop)
        meter = Meter("flat-1", "riser", "mercury230", "1", "20000001", Line(), poll=poll, **(more or {}))
        config = Config(
            Gateway(GATEWAY, state_dir=folder / "state", **gateway),
            Intake("127.0.0.1", broker.port, False, broker.url, receipt_timeout=2.0, backlog_rate=0, allow=allow),
            (Bus("riser", "/dev/fake"),),
            (meter,),
        )
        clock = SystemClock(wall=lambda: time.time() + self.ahead, kernel_synced=lambda: True, battery=False)
        self.daemon = Daemon(config, clock=clock, open_port=lambda url, line: QuickPort(self.meter.answer))
        self.daemon.start()
        stack.callback(self.daemon.close)

    def now(self) -> datetime:
        """The gateway's time, naive UTC."""
        return datetime.fromtimestamp(time.time() + self.ahead, UTC).replace(tzinfo=None)

    def tick(self) -> None:
        """What the daemon's own loop does once a second."""
        self.daemon.tick()

    def until(self, condition: Callable[[], T | None], seconds: float = 60.0) -> T:
        """The condition's first true value; looks as the daemon does, only more often."""
        return until(condition, seconds, between=self.tick)
