"""The contract's JSON Schemas as a check of every message, for whoever builds a gateway or an intake."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


class Validator:
    """Needs jsonschema (an extra). ``folder`` holds the contract's ``*.json``."""

    def __init__(self, folder: Path = SCHEMAS) -> None:
        import jsonschema  # an extra: only who debugs needs it
        from referencing import Registry, Resource

        schemas = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
        registry: Any = Registry().with_resources(
            (schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()
        )
        self._checks = {
            name: jsonschema.Draft202012Validator(
                schema, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
            )
            for name, schema in schemas.items()
        }

    def objections(self, name: str, text: str) -> list[str]:
        """What the schema of this name finds wrong, each with its place; empty where all is well."""
        document = json.loads(text, parse_float=Decimal)
        return [f"{error.json_path}: {error.message[:200]}" for error in self._checks[name].iter_errors(document)]
