"""Names of meters that people ask for and that are not drivers' names: which driver reads them, or that none does.

Sources: makers' catalogues and the protocols' own papers. A name that belongs to another protocol is never answered
with a driver that merely sounds alike.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.files.letters import latin


@dataclass(frozen=True, slots=True)
class KnownName:
    """``pattern`` of the folded name, ``drivers`` that read such meters (the first is tried first), and a sentence."""

    pattern: str
    drivers: tuple[str, ...]
    says: str


_OWN = "not supported: it speaks another protocol, {}"
_SPODES = "its maker's meters speak SPODES (DLMS/COSEM): driver spodes; the address follows from the serial number"

KNOWN = (
    KnownName(
        r"(mercury|incotex|m)?20(0|1|2|3|5|6)(?!.*2td)(?!.*(d|sp)$).*",
        (),
        _OWN.format("that of Mercury 200, 201, 202, 203, 205 and 206, with addresses of four octets"),
    ),
    KnownName(
        r"(mercury|incotex)?2\d\d(?!.*2td).*(d|sp|spodes)",
        ("spodes",),
        "a Mercury with the letter D: driver spodes",
    ),
    KnownName(r"(energomera)?ce10[12](?!m).*", (), _OWN.format("Energomera's binary one; a CE102M has driver ce102m")),
    KnownName(r"(energomera)?ce20[01].*", (), _OWN.format("Energomera's binary one")),
    KnownName(
        r"(energomera)?ce68\d\d.*",
        ("iec-readout",),
        "an older Energomera; its readout may answer to driver iec-readout",
    ),
    KnownName(r"nartis.*|ni?100.*|ni?300.*", ("spodes",), _SPODES),
    KnownName(r"mirtek.*", ("spodes",), _SPODES + "; MIRTEK's own protocol (frames 73 55) is not supported"),
    KnownName(r"(rim|rimrus)\d*.*", ("spodes",), _SPODES + " (RiM: 0)"),
    KnownName(r"milur\d*s.*", ("spodes",), _SPODES + " (Milur: its last four digits + 16)"),
    KnownName(r"milur.*", (), _OWN.format("Milur's binary one; a Milur with the letter S has driver spodes")),
    KnownName(r"mir(c|s)?0[457].*", ("spodes",), _SPODES + " (MIR: its last four digits)"),
    KnownName(r"(set|psch|seb)[1-4].*", (), _OWN.format("that of SET-4TM, PSCh and SEB")),
    KnownName(r"pulsar.*|kaskad.*|gransystems.*|matrica.*|np7\d.*", (), _OWN.format("its maker's own")),
    KnownName(
        r"(emh)?(ed300l?|ehz.*)|(dzg)?(dvs|dws)7.*|(isk|iskra)?mt(17|63|68|69)\d.*|(holley)?dtz541.*",
        ("sml",),
        "it sends SML by itself: driver sml",
    ),
    KnownName(
        r"(easymeter)?q(1|3)[a-d].*", ("d0", "sml"), "an EasyMeter sends text (driver d0) or SML (driver sml) by itself"
    ),
    KnownName(r"smarty|.*p1|dsmr.*|e350.*|ma304.*|am550.*", ("p1",), "through its P1 port: driver p1"),
)

MAKERS = {
    "меркурий": "mercury",
    "инкотекс": "incotex",
    "энергомера": "energomera",
    "нартис": "nartis",
    "миртек": "mirtek",
    "милур": "milur",
    "рим": "rim",
    "мир": "mir",
    "сэт": "set",
    "псч": "psch",
    "сэб": "seb",
    "пульсар": "pulsar",
    "каскад": "kaskad",
    "матрица": "matrica",
    "нева": "neva",
    "мертек": "mirtek",
    "merkuriy": "mercury",
    "merkurij": "mercury",
}
"""How makers are written otherwise → as the patterns have them."""


def known(name: str) -> KnownName | None:
    """What is known of this name, in Latin or Cyrillic, with or without dashes and blanks; None: nothing."""
    for text in folded(name):
        for one in KNOWN:
            if re.fullmatch(one.pattern, text):
                return one
    return None


def folded(name: str) -> Iterator[str]:
    """The name in small Latin letters without dashes and blanks, makers as :data:`MAKERS` has them."""
    plain = re.sub(r"[-_. /№]", "", name.casefold())
    for written, meant in MAKERS.items():
        if plain.startswith(written):
            yield latin(meant + plain.removeprefix(written)).lower()
    yield latin(plain.upper()).lower()
