"""Names lead home: no class of ``agent/`` has the name of another one there."""

import re
from collections import defaultdict

from tests.docs.pages import ROOT

CLASS = re.compile(r"^ *class (\w+)[:([]", re.MULTILINE)


def test_no_class_name_stands_twice_in_agent() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in (ROOT / "agent").glob("**/*.py"):
        for name in CLASS.findall(path.read_text("utf-8")):
            homes[name].append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
