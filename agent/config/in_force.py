"""The configuration in force, and how the file's new content takes its place while the daemon runs."""

import logging
from collections.abc import Callable
from pathlib import Path

from agent.config.child import load_in_child
from agent.config.values import Config
from agent.host import systemd
from drivers.files.faults import ConfigError

log = logging.getLogger("meterpost")


class ConfigInForce:
    """``values`` hold now. A new content of ``path`` is judged as a whole in a child; a broken one, or one that needs a
    restart, leaves everything as it runs. ``take`` brings the new values to the parts of the daemon; it gets the
    ones before, too."""

    def __init__(self, values: Config, path: Path | None, take: Callable[[Config, Config], None]) -> None:
        self.values = values
        self._path, self._take = path, take
        self._wanted = False

    def ask(self) -> None:
        """The next ``look`` reads the file again. Any thread, and a signal's handler, may call it."""
        self._wanted = True

    def tick(self) -> None:
        """Once a second: a reload that was asked for."""
        if self._wanted:
            self._wanted = False
            self.reload()

    def reload(self) -> None:
        """Read the file now; systemd is told how it ended."""
        if self._path is None:
            return
        systemd.reloading()
        used = False
        try:
            used = self.use(load_in_child(self._path))
        except ConfigError as trouble:
            log.error("the new configuration is not used, the old one goes on: %s", trouble)
        systemd.ready(self.summary() + ("" if used else "; the changed configuration is not used, see the log"))

    def use(self, fresh: Config) -> bool:
        """False where only a restart could bring it into force."""
        before = self.values
        if fresh.gateway.state_dir != before.gateway.state_dir or fresh.gateway.id != before.gateway.id:
            log.error("gateway.id and gateway.state_dir change with a restart only; the old configuration goes on")
            return False
        self.values = fresh
        self._take(before, fresh)
        log.info("the new configuration is in use: %s", self.summary())
        return True

    def summary(self) -> str:
        """The line that systemctl status shows."""
        return f"{len(self.values.meters)} meters on {len(self.values.buses)} buses"
