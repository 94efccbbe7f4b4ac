"""The toy's driver."""

from drivers.family import Explain, Family, Language, ScanProfile, Setting
from drivers.reading import Ask, Driver, Exchange, Identity, MeterPlan, Reading, Traits
from protocols.session import Line
from tests.families.toy import session

TARIFFS = Setting("rows", "int", 1, "registers to read", low=1, high=2)


class Toy(Driver):
    """One toy: a number and a counter."""

    capabilities = frozenset({"identify", "now"})
    traits = Traits(resolution=10)

    def __init__(self, plan: MeterPlan) -> None:
        self._plan = plan
        self._rows = int(plan.settings.get("rows", 1))

    def session(self) -> session.Session:
        return session.Session(address(self._plan.address))

    def open(self, ask: Ask) -> None:
        """It has no log-in."""

    def close(self, ask: Ask) -> None:
        """Nothing to say."""

    def identify(self, ask: Ask) -> Identity:
        return Identity(ask(session.Ask("serial")), "Toy")

    def now(self, ask: Ask) -> Reading:
        return Reading("now", {f"1-0:1.8.{row}": int(ask(session.Ask(f"energy{row}"))) for row in range(self._rows)})

    def exchanges(self, kind: str) -> tuple[Exchange, ...]:
        rows = {"identify": 0, "now": self._rows}.get(kind)
        return () if rows is None else (Exchange(13, 22, 0.02),) * (1 + rows)


def address(text: str) -> int:
    """ValueError with the reason."""
    if not text.isdecimal() or int(text) > 99:
        raise ValueError(f"found {text!r}, expected 0 to 99")
    return int(text)


def explained() -> Explain:
    from tests.families.toy.explain import explain

    return explain


FAMILY = Family(
    name="toy",
    models=("toy", "toy-two"),
    capabilities=Toy.capabilities,
    settings=(TARIFFS,),
    protocol="toy",
    line=Line(2400, "8N1"),
    address=address,
    password=None,
    default_password=None,
    build=Toy,
    help="A toy that counts",
    language=Language("toy", explained),
    scan=ScanProfile("1-9"),
)
