"""The thread that runs the statements: a modem may take minutes, and nothing else has to wait for it.

The workflow itself is imported when a point has a utility or someone asks: others need not load it.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.config.values import Config
from agent.host.clock import Clock
from buffer.record import Record
from buffer.store import Store
from buffer.writer import Writer
from drivers.files.faults import ConfigError

if TYPE_CHECKING:
    from agent.config.utility.profile import Profile
    from agent.statement.workflow import StatementWorkflow

logger = logging.getLogger("meterpost.statement")

EVERY = 60.0  # s between two checks
GOODBYE = 5.0  # s that a message which is just leaving has when the service ends


class StatementService:
    """The statements of the daemon, by whatever configuration is in use. Looks once a minute from ``start`` on.

    The parameters are :class:`StatementWorkflow`'s.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        writer: Writer,
        clock: Clock,
        submit: Callable[[Sequence[Record]], object],
        *,
        resent: Callable[[], None],
    ) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._change, self._submit, self._resent = writer.call, submit, resent
        self._lock = threading.RLock()
        self._made: StatementWorkflow | None = None
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="statements", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends after the message that is just leaving, or after 5 s with the process: the log knows about it."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(GOODBYE)

    def use(self, config: Config) -> None:
        """Another configuration from now on."""
        self._config = config

    def act(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """A technician's request, its arguments as parsed."""
        from agent.statement.actions import StatementActions

        return StatementActions(self.workflow()).ask(args)

    def ordered(self, points: Sequence[str]) -> dict[str, Any]:
        """The utility's command ``statement``."""
        from agent.statement.actions import StatementActions

        return StatementActions(self.workflow()).asked_by_utility(points)

    def workflow(self) -> "StatementWorkflow":
        """For the configuration in use."""
        with self._lock:
            config = self._config
            if self._made is None or self._made.config is not config:
                self._made = self._workflow(config)
            return self._made

    def _workflow(self, config: Config) -> "StatementWorkflow":
        from agent.config.utility import profile_file
        from agent.config.utility.profile import channels_of, profile_of
        from agent.statement.outbound import channels
        from agent.statement.workflow import StatementWorkflow

        profiles: Mapping[str, Profile] = {}
        if any(meter.utility for meter in config.meters):
            try:
                profiles = profile_file.load(config.gateway.utilities_dir)
            except ConfigError as trouble:  # the files were changed since the configuration was checked
                logger.error("the utility profiles are not sound, no statement is made until a reload: %s", trouble)
        for meter in config.meters:
            profile = profile_of(meter, profiles)
            for why in channels_of(profile, config)[1] if profile else ():
                logger.warning("%s: the fall-back has one way less: %s", meter.point, why)
        return StatementWorkflow(
            config,
            profiles,
            self._store,
            change=self._change,
            submit=self._submit,
            clock=self._clock,
            channels=channels(config),
            resent=self._resent,
            lock=self._lock,
        )

    def _run(self) -> None:
        while True:
            self._wake.wait(EVERY)
            if self._stopping.is_set():
                return
            if not any(meter.utility for meter in self._config.meters):
                continue
            try:
                self.workflow().tick(stopping=self._stopping.is_set)
            except Exception:  # a fault of ours must not end all later statements; the log has its place
                logger.exception("statements: this check failed")
