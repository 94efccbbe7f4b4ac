"""Names lead home: no class of ``agent/`` has the name of another one there."""

import ast
from collections import defaultdict

from tests.docs.pages import ROOT


def test_no_class_name_stands_twice_in_agent() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for path in (ROOT / "agent").glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(path.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}
