"""Delivery over the life of the daemon: a publisher for each ``[intake]`` that a configuration names."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from agent import VERSION
from agent.config.values import Config
from agent.delivery.commands import Operations
from agent.delivery.mqtt import KEEPALIVE
from agent.delivery.publisher import Publisher
from agent.host.clock import Clock
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer
from drivers.reading import Identity


class Delivery:
    """Any thread may call any method. ``identities`` tells which meter answered at which point; ``keepalive``
    in seconds."""

    def __init__(
        self,
        config: Config,
        store: Store,
        writer: Writer,
        clock: Clock,
        *,
        operations: Operations,
        identities: Callable[[], Mapping[str, Identity]],
        keepalive: int = KEEPALIVE,
    ) -> None:
        def time() -> tuple[datetime, str]:
            stamp = clock.stamp()
            return stamp.utc, stamp.state

        def publisher(config: Config) -> Publisher:
            return Publisher(
                config,
                store,
                writer,
                clock=time,
                monotonic=clock.monotonic,
                operations=operations,
                version=VERSION,
                identities=identities,
                keepalive=keepalive,
            )

        self._make, self._config = publisher, config
        self._publisher = publisher(config)

    def start(self) -> None:
        self._publisher.start()

    def stop(self) -> None:
        """Take leave of the broker; within 5 s."""
        self._publisher.stop()

    def use(self, config: Config) -> None:
        """Another configuration from now on; another intake takes another connection."""
        before, self._config = self._config, config
        if config.intake == before.intake:
            self._publisher.configure(config)
            return
        self._publisher.stop()
        self._publisher = self._make(config)
        self._publisher.start()

    @property
    def alive(self) -> float:
        """Monotonic time of the last progress."""
        return self._publisher.alive

    def stored(self, records: Sequence[Record]) -> None:
        """These are new in the store."""
        self._publisher.stored(records)

    def changed(self) -> None:
        """Something that state or inventory tell of is different, or held records were released."""
        self._publisher.changed()

    def resent(self, seqs: tuple[int, int] | None) -> None:
        """The records of these numbers are pending again; None: some are, whose numbers are not known."""
        self._publisher.resent(seqs)

    def status(self) -> dict[str, Any]:
        """As :meth:`Publisher.status`."""
        return self._publisher.status()
