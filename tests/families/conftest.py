"""Commands are called here as in tests/cli."""

from tests.cli.conftest import run as run
