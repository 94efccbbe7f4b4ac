"""The exchange in the daemon: its times of day, and requests while the daemon holds the store.

The exchange itself, with the mail and XML that it needs, is imported when it first has work: most gateways have none.
"""

import logging
import threading
from collections.abc import Mapping
from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from agent.config.values import Config
from agent.events import gateway_event
from agent.host.calendar import Job
from agent.host.clock import Clock
from buffer.faults import StoreError
from buffer.store import Store
from buffer.writer import Writer

if TYPE_CHECKING:
    from agent.report.exchange import ExchangeFiles

log = logging.getLogger("meterpost.exchange")

AFTER = (0, 1, 3, 6, 12)
"""Hours after ``exchange.at`` at which the day's round is made: what the mail server did not take leaves later."""


class Daily:
    """One for the daemon's life; a new configuration counts from the next round on."""

    def __init__(self, config: Config, store: Store, writer: Writer, clock: Clock) -> None:
        self._config, self._store, self._writer, self._clock = config, store, writer, clock
        self._lock = threading.Lock()
        self._exchange: ExchangeFiles | None = None

    def use(self, config: Config) -> None:
        """Another configuration from now on."""
        self._config = config

    def jobs(self) -> list[Job]:
        """None where [exchange] is not configured."""
        exchange = self._config.exchange
        if exchange is None:
            return []
        times = [time((exchange.at.hour + hours) % 24, exchange.at.minute) for hours in AFTER]
        return [Job(f"exchange {at:%H:%M}", at, self.round) for at in times]

    def round(self) -> None:
        """What is due is made and sent. While the gateway's clock is not set no one knows which day it is."""
        if self._clock.stamp().state == "unset":
            log.warning("no exchange file: the gateway's clock is not set")
            return
        try:
            self._get().catch_up()
        except (StoreError, OSError) as trouble:
            log.error("the exchange files have to wait: %s", trouble)

    def act(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The request ``exchange`` with its arguments as parsed; ValueError says why not."""
        if self._clock.stamp().state == "unset":
            raise ValueError("the gateway's clock is not set; no one knows which day it is")
        try:
            return self._get().asked(args)
        except (StoreError, OSError) as trouble:
            raise ValueError(str(trouble)) from None

    def stop(self) -> None:
        """The service ends: a round does not begin another day."""
        with self._lock:
            if self._exchange is not None:
                self._exchange.stopping = True

    def _get(self) -> "ExchangeFiles":
        from agent.channels.mail import send
        from agent.report.exchange import ExchangeFiles

        with self._lock:
            if self._exchange is None:
                self._exchange = ExchangeFiles(
                    lambda: self._config, self._store, self._note, self._now, send, self._tell
                )
            return self._exchange

    def _note(self, key: str, text: str | None) -> None:
        self._writer.call(lambda store: store.note(key, text))

    def _tell(self, text: str) -> None:
        self._writer.submit([gateway_event("exchange-refused", text, self._clock.stamp())])

    def _now(self) -> datetime:
        return self._clock.stamp().utc
