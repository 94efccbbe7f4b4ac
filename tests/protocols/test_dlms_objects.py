"""Attributes of COSEM classes as plain values, from octets of IEC 62056-6-2's types and of two foreign encoders."""

from decimal import Decimal
from typing import Any

import pytest

from protocols.dlms import axdr
from protocols.dlms.apdu import obis
from protocols.dlms.cosem.objects import (
    ListedObject,
    Relay,
    Scale,
    SecuritySetup,
    attribute_name,
    capture_objects,
    object_list,
    relay,
    security_setup,
)
from protocols.errors import BadFrame

TITLES = b"CLIENT01", b"MPT00001"
# long-unsigned class, unsigned version, logical name, access rights: {attribute accesses, method accesses}
LIST = bytes.fromhex(
    "01 02"
    "02 04 12 0003 11 00 09 06 0100010800FF 02 02 01 01 02 03 0F 02 16 01 00 01 01 02 02 0F 01 16 00"
    "02 04 12 0008 11 00 09 06 0000010000FF 02 02 01 00 01 00"
)


def value(octets: str) -> Any:
    return axdr.decode(bytes.fromhex(octets))


def test_an_object_list_is_read_without_its_access_rights() -> None:
    assert object_list(axdr.decode(LIST)) == (
        ListedObject(3, 0, obis("1.0.1.8.0.255")),
        ListedObject(8, 0, obis("0.0.1.0.0.255")),
    )
    assert object_list([]) == ()


@pytest.mark.parametrize(
    "octets", ["00", "01 01 12 00 03", "01 01 02 03 12 00 03 11 00 09 05 01 00 01 08 00", "02 02 12 00 03 11 00"]
)
def test_what_is_no_object_list_is_refused(octets: str) -> None:
    with pytest.raises(BadFrame):
        object_list(value(octets))


def test_a_security_setup_says_what_the_meter_demands() -> None:
    octets = ("16 03", "16 00", "09 08" + TITLES[0].hex(), "09 08" + TITLES[1].hex())
    assert security_setup(*map(value, octets)) == SecuritySetup(3, 0, *TITLES)
    with pytest.raises(BadFrame):
        security_setup(*map(value, (octets[0], octets[2], octets[1], octets[3])))


@pytest.mark.parametrize(
    ("octets", "found"),
    [
        (("03 01", "16 01", "16 04"), Relay(True, "connected", 4)),
        (("03 00", "16 00", "16 00"), Relay(False, "disconnected", 0)),
        (("03 00", "16 02", "16 06"), Relay(False, "ready for reconnection", 6)),
    ],
)
def test_the_state_of_a_relay_is_told_in_words(octets: tuple[str, str, str], found: Relay) -> None:
    assert relay(*map(value, octets)) == found


@pytest.mark.parametrize(
    "octets",
    [("16 01", "16 01", "16 04"), ("03 01", "16 03", "16 04"), ("03 01", "16 01", "09 01 04"), ("03 01", "00", "00")],
)
def test_a_relay_of_other_types_has_no_state(octets: tuple[str, str, str]) -> None:
    with pytest.raises(BadFrame):
        relay(*map(value, octets))


@pytest.mark.parametrize(
    ("octets", "raw", "exact"),
    [
        ("02 02 0F FD 16 1E", 2000100999, Decimal("2000100.999")),
        ("02 02 0F 03 16 1E", 12, 12000),
        ("02 02 0F 00 16 FF", 0, 0),
    ],
)
def test_scaler_and_unit_make_exact_values(octets: str, raw: int, exact: int | Decimal) -> None:
    found = Scale.from_data(value(octets)).apply(raw)
    assert found == exact and type(found) is type(exact)


@pytest.mark.parametrize(
    ("class_id", "index", "name"),
    [
        (4, 3, "Extended register.scaler_unit"),
        (4, 5, "Extended register.capture_time"),
        (5, 4, "Demand register.scaler_unit"),
        (5, 9, "Demand register.periods"),
        (15, 2, "Association LN.object_list"),
        (64, 5, "Security setup.server_title"),
        (70, 3, "Disconnect control.control_state"),
        (23, 9, "HDLC setup.address"),
        (17, 2, "SAP assignment.list"),
        (70, 1, "Disconnect control.logical_name"),
        (99, 2, "class 99 attribute 2"),
    ],
)
def test_attributes_have_the_names_of_the_standard(class_id: int, index: int, name: str) -> None:
    assert attribute_name(class_id, index) == name


def test_the_lists_that_pydlms_encodes_are_read() -> None:
    pytest.importorskip("pydlms", reason="pydlms-client is not installed")
    from pydlms.cosem.data import encode_data
    from pydlms.simulator import example_meter

    meter = example_meter()
    listed = object_list(axdr.decode(encode_data(meter.object_list())))
    assert {(each.class_id, each.code) for each in listed} == {
        (int(class_id), code.to_bytes()) for class_id, code in meter.objects
    }
    profile = next(attributes for (class_id, _), attributes in meter.objects.items() if int(class_id) == 7)
    columns = capture_objects(axdr.decode(encode_data(profile[3])))
    assert [(each.class_id, each.code, each.attribute, each.index) for each in columns] == [
        (8, obis("0.0.1.0.0.255"), 2, 0),
        (3, obis("1.0.1.8.0.255"), 2, 0),
    ]


class Encoder:
    """gurux-dlms as a foreign meter's encoder of its own objects' attributes."""

    def __init__(self) -> None:
        pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed")
        from gurux_dlms.GXDLMSSettings import GXDLMSSettings

        self._settings = GXDLMSSettings(False, None)

    def __call__(self, item: Any, indexes: tuple[int, ...]) -> list[Any]:
        return [axdr.decode(self._octets(item, index)) for index in indexes]

    def _octets(self, item: Any, index: int) -> bytes:
        from gurux_dlms import GXByteBuffer
        from gurux_dlms.internal._GXCommon import _GXCommon
        from gurux_dlms.ValueEventArgs import ValueEventArgs

        given, buffer = item.getValue(self._settings, ValueEventArgs(self._settings, item, index)), GXByteBuffer()
        if item.getDataType(index) in (1, 2):  # arrays and structures come encoded
            return bytes(given.array() if isinstance(given, GXByteBuffer) else given)
        _GXCommon.setData(self._settings, buffer, item.getDataType(index), given)
        return bytes(buffer.array())


@pytest.mark.slow
def test_setups_that_gurux_encodes_are_read() -> None:
    encoder = Encoder()
    from gurux_dlms import objects

    switch = objects.GXDLMSDisconnectControl()
    switch.outputState, switch.controlState, switch.controlMode = True, 1, 4
    assert relay(*encoder(switch, (2, 3, 4))) == Relay(True, "connected", 4)

    keys = objects.GXDLMSSecuritySetup()
    keys.securityPolicy, keys.securitySuite = 3, 0
    keys.clientSystemTitle, keys.serverSystemTitle = TITLES
    assert security_setup(*encoder(keys, (2, 3, 4, 5))) == SecuritySetup(3, 0, *TITLES)

    for kind, index, class_id in ((objects.GXDLMSExtendedRegister, 3, 4), (objects.GXDLMSDemandRegister, 4, 5)):
        register = kind("1.0.1.6.0.255")
        register.scaler, register.unit = 0.001, 27
        assert attribute_name(class_id, index).endswith("scaler_unit")
        assert Scale.from_data(*encoder(register, (index,))) == Scale(-3, 27)


def test_the_object_list_that_gurux_encodes_is_read() -> None:
    encoder = Encoder()
    from gurux_dlms import objects

    association = objects.GXDLMSAssociationLogicalName()
    for each in (objects.GXDLMSRegister("1.0.1.8.0.255"), objects.GXDLMSClock("0.0.1.0.0.255")):
        association.objectList.append(each)
    assert object_list(*encoder(association, (2,))) == (
        ListedObject(3, 0, obis("1.0.1.8.0.255")),
        ListedObject(8, 0, obis("0.0.1.0.0.255")),
    )
