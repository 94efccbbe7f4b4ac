"""Attributes of COSEM classes as plain values, from octets of IEC 62056-6-2's types and of two foreign encoders."""

from decimal import Decimal

import pytest

from protocols.dlms import axdr
from protocols.dlms.apdu import obis
from protocols.dlms.cosem.objects import (
    HdlcSetup,
    ListedObject,
    Relay,
    Scale,
    SecuritySetup,
    attribute_name,
    capture_objects,
    hdlc_setup,
    hdlc_speed,
    object_list,
    relay,
    sap_list,
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


def value(octets: str):
    return axdr.decode(bytes.fromhex(octets))


def test_an_object_list_is_read_without_its_access_rights():
    assert object_list(axdr.decode(LIST)) == (
        ListedObject(3, 0, obis("1.0.1.8.0.255")),
        ListedObject(8, 0, obis("0.0.1.0.0.255")),
    )
    assert object_list([]) == ()


@pytest.mark.parametrize(
    "octets", ["00", "01 01 12 00 03", "01 01 02 03 12 00 03 11 00 09 05 01 00 01 08 00", "02 02 12 00 03 11 00"]
)
def test_what_is_no_object_list_is_refused(octets):
    with pytest.raises(BadFrame):
        object_list(value(octets))


def test_logical_devices_are_listed_by_their_sap():
    assert sap_list(value("01 02 02 02 12 0001 09 03 4D5054 02 02 12 0010 09 00")) == ((1, b"MPT"), (16, b""))
    with pytest.raises(BadFrame):
        sap_list(value("01 01 02 02 09 01 01 12 0001"))


def test_a_security_setup_says_what_the_meter_demands():
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
def test_the_state_of_a_relay_is_told_in_words(octets, found):
    assert relay(*map(value, octets)) == found


@pytest.mark.parametrize(
    "octets",
    [("16 01", "16 01", "16 04"), ("03 01", "16 03", "16 04"), ("03 01", "16 01", "09 01 04"), ("03 01", "00", "00")],
)
def test_a_relay_of_other_types_has_no_state(octets):
    with pytest.raises(BadFrame):
        relay(*map(value, octets))


def test_an_hdlc_setup_is_read_with_its_speed_in_bits_a_second():
    octets = ("16 05", "11 01", "11 03", "12 0080", "12 0400", "12 001E", "12 0078", "12 0011")
    assert hdlc_setup([value(each) for each in octets]) == HdlcSetup(9600, 1, 3, 128, 1024, 30, 120, 17)


@pytest.mark.parametrize(
    ("number", "speed"), list(enumerate((300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)))
)
def test_speeds_are_those_of_the_standards_enumeration(number, speed):
    assert hdlc_speed(number) == speed


@pytest.mark.parametrize(
    "values", [[5] * 7, [10, 1, 1, 128, 128, 30, 120, 17], [5, 1, 1, b"", 128, 30, 120, 17], [5, -1] + [1] * 6]
)
def test_an_hdlc_setup_that_cannot_be_is_refused(values):
    with pytest.raises(BadFrame):
        hdlc_setup(values)


@pytest.mark.parametrize(
    ("octets", "raw", "exact"),
    [
        ("02 02 0F FD 16 1E", 2000100999, Decimal("2000100.999")),
        ("02 02 0F 03 16 1E", 12, 12000),
        ("02 02 0F 00 16 FF", 0, 0),
    ],
)
def test_scaler_and_unit_make_exact_values(octets, raw, exact):
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
def test_attributes_have_the_names_of_the_standard(class_id, index, name):
    assert attribute_name(class_id, index) == name


def test_the_lists_that_pydlms_encodes_are_read():
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

    def __init__(self):
        pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed")
        from gurux_dlms.GXDLMSSettings import GXDLMSSettings

        self._settings = GXDLMSSettings(False, None)

    def __call__(self, item, indexes):
        return [axdr.decode(self._octets(item, index)) for index in indexes]

    def _octets(self, item, index):
        from gurux_dlms import GXByteBuffer
        from gurux_dlms.internal._GXCommon import _GXCommon
        from gurux_dlms.ValueEventArgs import ValueEventArgs

        given, buffer = item.getValue(self._settings, ValueEventArgs(self._settings, item, index)), GXByteBuffer()
        if item.getDataType(index) in (1, 2):  # arrays and structures come encoded
            return bytes(given.array() if isinstance(given, GXByteBuffer) else given)
        _GXCommon.setData(self._settings, buffer, item.getDataType(index), given)
        return bytes(buffer.array())


@pytest.mark.slow
def test_setups_that_gurux_encodes_are_read():
    encoder = Encoder()
    from gurux_dlms import objects

    line = objects.GXDLMSHdlcSetup()
    line.version, line.communicationSpeed, line.deviceAddress, line.inactivityTimeout = 1, 5, 17, 120
    line.windowSizeTransmit, line.windowSizeReceive, line.interCharachterTimeout = 1, 3, 30
    line.maximumInfoLengthTransmit, line.maximumInfoLengthReceive = 128, 1024
    assert hdlc_setup(encoder(line, range(2, 10))) == HdlcSetup(9600, 1, 3, 128, 1024, 30, 120, 17)

    switch = objects.GXDLMSDisconnectControl()
    switch.outputState, switch.controlState, switch.controlMode = True, 1, 4
    assert relay(*encoder(switch, (2, 3, 4))) == Relay(True, "connected", 4)

    keys = objects.GXDLMSSecuritySetup()
    keys.securityPolicy, keys.securitySuite = 3, 0
    keys.clientSystemTitle, keys.serverSystemTitle = TITLES
    assert security_setup(*encoder(keys, (2, 3, 4, 5))) == SecuritySetup(3, 0, *TITLES)

    devices = objects.GXDLMSSapAssignment()
    devices.sapAssignmentList = [(1, "MPT0000000000001"), (16, "LDN")]
    assert sap_list(*encoder(devices, (2,))) == ((1, b"MPT0000000000001"), (16, b"LDN"))

    for kind, index, class_id in ((objects.GXDLMSExtendedRegister, 3, 4), (objects.GXDLMSDemandRegister, 4, 5)):
        register = kind("1.0.1.6.0.255")
        register.scaler, register.unit = 0.001, 27
        assert attribute_name(class_id, index).endswith("scaler_unit")
        assert Scale.from_data(*encoder(register, (index,))) == Scale(-3, 27)


def test_the_object_list_that_gurux_encodes_is_read():
    encoder = Encoder()
    from gurux_dlms import objects

    association = objects.GXDLMSAssociationLogicalName()
    for each in (objects.GXDLMSRegister("1.0.1.8.0.255"), objects.GXDLMSClock("0.0.1.0.0.255")):
        association.objectList.append(each)
    assert object_list(*encoder(association, (2,))) == (
        ListedObject(3, 0, obis("1.0.1.8.0.255")),
        ListedObject(8, 0, obis("0.0.1.0.0.255")),
    )
