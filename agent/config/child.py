"""Loading in a short-lived process, so that the daemon never carries pydantic.

``python -m agent.config.child PATH`` writes the pickled Config, or the pickled list of faults, to its output.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from agent.config.values import Config
from drivers.files.faults import ConfigError, Fault

LONGEST = 60.0  # s; a slow card and a thousand meters take a few


def load_in_child(path: Path) -> Config:
    """The same as ``agent.config.load.load``: the Config, or ConfigError with every fault."""
    return begin(path)()


def begin(path: Path) -> Callable[[], Config]:
    """Start the loading; the answer waits for its end. In between the caller may import what it needs anyway."""
    root = str(Path(__file__).parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, known]) if known else root}
    command = [sys.executable, "-m", "agent.config.child", str(path.absolute())]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment)

    def result() -> Config:
        try:
            answer, _ = child.communicate(timeout=LONGEST)
        except BaseException:
            child.kill()
            child.wait()
            raise
        if child.returncode:
            raise RuntimeError(f"reading {path} ended with code {child.returncode}")
        loaded: Config | list[Fault] = pickle.loads(answer)
        if isinstance(loaded, Config):
            return loaded
        raise ConfigError(loaded)

    return result


def main() -> None:
    """The child: it lives too short for the collector of circular garbage to pay."""
    import gc

    gc.disable()
    from agent.config.load import load

    result: Config | list[Fault]
    try:
        result = load(Path(sys.argv[1]))
    except ConfigError as error:
        result = error.faults
    sys.stdout.buffer.write(pickle.dumps(result))


if __name__ == "__main__":
    main()
