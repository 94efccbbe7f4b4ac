"""Loading in a short-lived process, so that the daemon never carries pydantic.

``python -m agent.config.child PATH`` writes the pickled Config, or the pickled list of faults, to its output.
"""

import os
import pickle
import subprocess
import sys
from pathlib import Path

from agent.config.faults import ConfigError, Fault
from agent.config.values import Config

LONGEST = 60.0  # s; a slow card and a thousand meters take a few


def load_in_child(path: Path) -> Config:
    """The same as ``agent.config.load.load``: the Config, or ConfigError with every fault."""
    root = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, known]) if known else root}
    command = [sys.executable, "-m", "agent.config.child", str(path.absolute())]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, timeout=LONGEST, check=False)
    if done.returncode:
        raise RuntimeError(f"reading {path} ended with code {done.returncode}")
    result: Config | list[Fault] = pickle.loads(done.stdout)
    if isinstance(result, Config):
        return result
    raise ConfigError(result)


def main() -> None:
    from agent.config.load import load

    result: Config | list[Fault]
    try:
        result = load(Path(sys.argv[1]))
    except ConfigError as error:
        result = error.faults
    sys.stdout.buffer.write(pickle.dumps(result))


if __name__ == "__main__":
    main()
