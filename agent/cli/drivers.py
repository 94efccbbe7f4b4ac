"""``meterpost drivers``: which meters can be read, and which settings their drivers know."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.output import CONFIG, DEFAULT_FILE, JSON
from agent.cli.screen import colour, emit, fitted, wrapped
from agent.config.meters import able
from agent.config.settings import expected, written_as
from agent.exits import Exit, Failure
from drivers import registry
from drivers.family import Family, Setting
from drivers.manual import PROTOCOL as MANUAL


def drivers(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A driver or model; all without it.")] = None,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List the drivers, or one with its settings. NAME is what may stand in driver = "…".

    Models of your own (gateway.models_dir in the configuration) are among them.

    Example: meterpost drivers mercury230
    """
    models_dir = models_dir_of(config)
    try:
        found = registry.families(models_dir) if name is None else (registry.find(name, models_dir),)
    except registry.UnknownDriver as unknown:
        raise Failure(str(unknown), Exit.USAGE, "meterpost drivers lists them") from None
    except ValueError as broken:
        raise Failure(str(broken), Exit.CONFIG, f"the models in {models_dir} are yours to put right") from None
    if as_json:
        emit([document(family) for family in found])
    elif name is None:
        rows = [(family.name, ", ".join(family.models), ", ".join(able(family))) for family in found]
        print("\n".join(fitted(("driver", "models", "polls"), rows)))
    else:
        _print_one(found[0])


def models_dir_of(config: Path) -> Path | None:
    """The installer's models, also from a configuration that is not finished yet."""
    try:
        gateway = tomllib.loads(config.read_text(encoding="utf-8")).get("gateway", {})
    except (OSError, ValueError):  # no sound file: the shipped drivers are what there is
        return None
    folder = gateway.get("models_dir") if isinstance(gateway, dict) else None
    return config.parent / folder if isinstance(folder, str) else None


def document(family: Family) -> dict[str, Any]:
    """One driver as ``--json`` has it."""
    return {
        "name": family.name,
        "models": list(family.models),
        "kinds": able(family),
        "settings": [_setting(setting) for setting in family.settings],
    }


def _setting(setting: Setting) -> dict[str, Any]:
    """``default`` is null where the driver or the model decides."""
    default = setting.default
    if setting.kind == "duration" and default is not None:
        default = written_as(setting, default).strip('"')
    return {
        "name": setting.name,
        "kind": setting.kind,
        "default": default,
        "expected": expected(setting),
        "help": setting.help,
    }


def _print_one(family: Family) -> None:
    print(wrapped(f"{family.name}  {family.help}".rstrip()).replace(family.name, colour("bold", family.name), 1))
    print(wrapped(f"models: {', '.join(family.models)}"))
    if family.protocol != MANUAL:  # nothing is polled, and there is no line
        print(wrapped(f"polls: {', '.join(able(family))}"))
        print(f"usual line: {family.line.speed} {family.line.format}")
    if family.default_password is not None:
        print(wrapped("password: the maker's, unless password_file is set"))
    for setting in family.settings:
        print()
        line = wrapped(f"{setting.name} = {written_as(setting, setting.default)}  (default)")
        print(line.replace(setting.name, colour("bold", setting.name), 1))
        print(wrapped(f"  {setting.help}"))
        print(wrapped(f"  {expected(setting)}"))
