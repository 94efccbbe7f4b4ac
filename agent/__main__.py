"""``python -m agent COMMAND``: the same as ``meterpost COMMAND``."""

import sys

from agent.cli import main

sys.exit(main())
