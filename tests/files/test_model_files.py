"""Model files of every family and utility profiles: whatever is wrong is told at its line; one rule says which hold."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.config.utility import profile_file
from drivers import registry
from drivers.dlms import model_file as dlms
from drivers.files.faults import ConfigError
from drivers.files.statements import statements
from drivers.iec62056 import model_file as iec
from drivers.modbus import model_file as modbus

FOLDERS: dict[Path, Callable[[Path], object]] = {
    modbus.SHIPPED: modbus.load,
    iec.SHIPPED: iec.load,
    dlms.SHIPPED: dlms.load,
    profile_file.SHIPPED: lambda file: profile_file.load(file.parent),
}
SHIPPED = [(file, load) for folder, load in FOLDERS.items() for file in sorted(folder.glob("*.toml"))]
WRONG = "1979-05-27T07:32:00Z"  # no key of any file takes a moment


def lines_of_faults(load: Callable[[Path], object], file: Path, lines: list[str]) -> list[int]:
    """Lines of the faults of a file with these lines."""
    file.write_text("\n".join(lines), encoding="utf-8")
    try:
        load(file)
    except ConfigError as wrong:
        assert all(fault.found and fault.expected for fault in wrong.faults)
        return [fault.line for fault in wrong.faults if fault.file == file]
    return []


def lines_of(file: Path) -> list[str]:
    text = file.read_text("utf-8")
    if file.parent == profile_file.SHIPPED:  # its own name is taken
        text = text.replace('name = "', 'name = "x-', 1)
    return text.split("\n")


def thinned(all_of_them: list[tuple[int, str, str]]) -> list[tuple[int, str, str]]:
    """Some twenty, of each kind and from everywhere in the file."""
    return all_of_them[:: max(1, len(all_of_them) // 20) | 1]


def damaged(file: Path) -> list[tuple[int, str, str]]:
    """Lines (from 1), what is done to them, and what stands there then."""
    lines = lines_of(file)
    found = []
    for statement in statements(lines):
        line, number = lines[statement.start], statement.start + 1
        if statement.header:
            found += [(number, "no header", line.replace("]", "", 1)), (number, "no name", "[" + line)]
        elif statement.end == statement.start + 1:
            key = line.partition("=")[0]
            found += [(number, "no value", f"{key}="), (number, "no sign", line.replace("=", " ", 1))]
            found += [(number, "wrong value", f"{key}= {WRONG}"), (number, "wrong key", f"qqq = 1 # {line}")]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("file", "load"), SHIPPED, ids=lambda one: one.stem if isinstance(one, Path) else "")
def test_any_single_fault_in_a_shipped_file_is_told_at_its_line(
    tmp_path: Path, file: Path, load: Callable[[Path], object]
) -> None:
    assert lines_of_faults(load, tmp_path / "a.toml", lines_of(file)) == []
    for number, what, line in thinned(damaged(file)):
        lines = lines_of(file)
        lines[number - 1] = line
        assert number in lines_of_faults(load, tmp_path / "a.toml", lines), f"{file.name}:{number}: {what}"


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_and_any_damage_end_in_a_model_or_in_faults(
    tmp_path: Path, folder: Path, data: st.DataObject
) -> None:
    file = data.draw(st.sampled_from(sorted(folder.glob("*.toml"))))
    content = "\n".join(lines_of(file)).encode()
    at = data.draw(st.integers(0, len(content)))
    piece = data.draw(
        st.one_of(st.binary(max_size=8), st.sampled_from((b"\xd0\xb5", b"\r", b"[", b'"', b"= ", b"9" * 5000)))
    )
    content = content[:at] + piece + content[at + data.draw(st.integers(0, 40)) :]
    damaged = tmp_path / "a.toml"
    damaged.write_bytes(data.draw(st.sampled_from((content, piece))))
    try:
        FOLDERS[folder](damaged)
    except ConfigError as wrong:
        assert wrong.faults
        assert all(fault.line >= 1 and fault.column >= 1 and fault.expected for fault in wrong.faults)


PLAIN = (
    *("true", "0", "-1", "1e99", "nan", f"0x{'f' * 5000}", '""', '"x"', "'1-0:1.8.0'", "2024-01-01", '"(?P<model>"'),
    '"\u0435"',
)
VALUES = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | inner.map(lambda item: f"{{ name = {item} }}")
    ),
    max_leaves=4,
)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_of_any_key_is_taken_or_a_fault(tmp_path: Path, folder: Path, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(sorted(folder.glob("*.toml"))))
    lines = lines_of(file)
    plain = [one for one in statements(lines) if not one.header and one.end == one.start + 1]
    statement = data.draw(st.sampled_from(plain))
    lines[statement.start] = f"{lines[statement.start].partition('=')[0]}= {data.draw(VALUES)}"
    told = lines_of_faults(FOLDERS[folder], tmp_path / "a.toml", lines)
    assert (
        not told
        or statement.start + 1 in told
        or lines[statement.start].startswith(
            ("obis", "way", "names", "name", "max_read", "even_only", "type", "fallback", "from", "to")
        )
    )


MODBUS = """\
names = [{names}]
maker = "Acme"
title = "mine"
sources = ["none"]
function = 3
word_order = "high"
max_read = 10
[now]
"1-0:1.8.0" = {{ address = 0, type = "u32", unit = "Wh", status = "official" }}
"""
IEC = 'models = [{names}]\ntitle = "mine"\nway = "readout"\nline = "300 7E1"\ncheck = "xor"\nobis = true\n'
DLMS = 'names = [{names}]\nhelp = "mine"\nnow = ["1.0.1.8.0.255"]\n'
FAMILIES = [
    pytest.param("", MODBUS, "b23", "b21", id="modbus"),
    pytest.param("iec", IEC, "ce303", "ce301", id="iec"),
]


@pytest.mark.parametrize(("folder", "text", "first", "second"), FAMILIES)
def test_an_installers_model_goes_before_a_shipped_one_name_by_name(
    tmp_path: Path, folder: str, text: str, first: str, second: str
) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "any-name.toml").write_text(text.format(names=f'"mine", "{first}"'), encoding="utf-8")
    assert "mine" in registry.find(first, tmp_path).help
    assert registry.find(first, tmp_path) is registry.find("mine", tmp_path)
    other = registry.find(second, tmp_path)
    assert "mine" not in other.help
    assert other.name in other.models
    assert first not in other.models


def test_a_dlms_list_of_the_installers_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "dlms").mkdir()
    (tmp_path / "dlms" / "a.toml").write_text(DLMS.format(names='"spodes"'), encoding="utf-8")
    assert registry.find("spodes", tmp_path).help == "mine"
    assert registry.find("dlms", tmp_path).help != "mine"


@pytest.mark.parametrize(
    ("folder", "text"), [("", MODBUS), ("iec", IEC), ("dlms", DLMS)], ids=["modbus", "iec", "dlms"]
)
def test_a_name_in_two_files_of_the_installers_is_a_fault_at_its_list(tmp_path: Path, folder: str, text: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in ("a", "b"):
        (tmp_path / folder / f"{name}.toml").write_text("# mine\n" + text.format(names='"mine"'), encoding="utf-8")
    with pytest.raises(ConfigError) as wrong:
        registry.families(tmp_path)
    (fault,) = wrong.value.faults
    assert (fault.file.name, fault.line, fault.found) == ("b.toml", 2, '"mine"')
    assert f"{tmp_path / folder / 'a.toml'}" in fault.expected
