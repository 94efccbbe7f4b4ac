"""What one utility wants of a statement, as frozen values; and whether a meter's configuration suits it.

The values come from TOML files (:mod:`agent.config.utility.profile_file`): shipped ones beside this module, the
installer's own in ``gateway.utilities_dir``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.config.values import Config, Meter
from drivers.files.words import meant, one_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNELS = ("sms", "mail")
WORDS = (
    *("ACCOUNT", "METER", "MODEL", "POINT", "PLACE", "RATIO", "MONTH", "DATE", "T1", "T2", "T3", "T4"),
    *("READING", "CONSUMPTION", "LAST", "LASTDATE"),
)
"""What a template may name; docs/statements.md says what stands there then."""
WORD = re.compile(rf"(?<![\w])(?:{'|'.join(WORDS)})(?![\w])")

Trouble = tuple[str, str, str]
"""Key of ``[[meter]]``, what stands there, what may stand there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When figures are taken. Days of the month; one past a month's end means its last day.

    ``last`` < ``first``: the window ends in the next month. ``zone`` None: the gateway's. ``weekend`` moves the end
    of a window that ends on a Saturday or Sunday: "stay", "next" or "previous" working day. The figures are those of
    ``reporting_day`` (None: the window's first day) at ``reporting_time``.
    """

    first: int = 1
    last: int = 25
    zone: str | None = None
    weekend: str = "stay"
    reporting_day: int | None = None
    reporting_time: time = time(0)


@dataclass(frozen=True, slots=True)
class SmsTemplate:
    """``answer``: the form of the utility's confirming message (a regular expression in which ACCOUNT stands for
    the account), None: it sends none. It comes from ``answer_from``, from ``number`` where that is not written."""

    text: str
    number: str = ""
    pad: bool = False  # figures are filled with zeros to the meter's digits
    answer: str | None = None
    answer_from: str = ""


@dataclass(frozen=True, slots=True)
class MailTemplate:
    subject: str
    body: str
    to: str = ""
    pad: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """One utility. ``rates``: which sets of tariffs it takes, its own T1… by their meaning."""

    name: str
    title: str
    file: Path
    account: str = r"[\w][\w ./-]{0,31}"  # a regular expression
    account_words: str = "an account"
    rule: Rule = Rule()
    regions: Mapping[str, Rule] = field(default_factory=dict)
    rates: tuple[Mapping[str, str], ...] = ()
    primary: bool = False  # it bills primary energy: figures are multiplied by the ratio
    confirm: str = "suspect"  # what waits for an operator: "suspect" ones, or "always" all of them
    fallback: tuple[str, ...] = ()
    sms: SmsTemplate | None = None
    mail: MailTemplate | None = None

    def rule_of(self, meter: Meter) -> Rule:
        """The rule of the meter's region; the utility's general one where it names none."""
        return self.regions.get(meter.region or "", self.rule)

    def named(self, meter: Meter) -> Mapping[str, str]:
        """The utility's T1… → the meter's register, by their meaning. A single tariff is T1 whatever it means.

        KeyError where the utility does not take these (``faults_of`` says so before).
        """
        own = meter.tariffs or {}
        if len(own) <= 1:
            return {"T1": next(iter(own), "T1")}
        register = {meaning: name for name, meaning in own.items()}
        for rates in self.rates:
            if len(register) == len(own) and set(rates.values()) == set(register):
                return {name: register[meaning] for name, meaning in rates.items()}
        raise KeyError(f"{self.name} takes no {', '.join(own.values())}")

    def templates(self) -> "Iterator[str]":
        if self.sms is not None:
            yield self.sms.text
        if self.mail is not None:
            yield from (self.mail.subject, self.mail.body)


def profile_of(meter: Meter, profiles: Mapping[str, Profile]) -> Profile | None:
    """The profile by which this meter's figures are handed over: None where it has no account or no known utility."""
    if meter.account is None or meter.utility is None:
        return None
    return profiles.get(meter.utility)


def faults_of(meter: Meter, profiles: Mapping[str, Profile]) -> list[Trouble]:
    """What of a meter's configuration does not suit its utility: key, what stands there, what may stand there."""
    if meter.utility is None:
        return []
    profile = profiles.get(meter.utility)
    if profile is None:
        return [("utility", shown(meter.utility), one_of(sorted(profiles)) + meant(meter.utility, profiles))]
    return [*_account(meter, profile), *_region(meter, profile), *_tariffs(meter, profile), *_templates(meter, profile)]


def _account(meter: Meter, profile: Profile) -> "Iterator[Trouble]":
    if meter.account is None:
        yield "account", "nothing", f"{profile.account_words}: {profile.name} asks for it"
    elif not re.fullmatch(profile.account, meter.account):
        yield "account", shown(meter.account), f"{profile.account_words} ({profile.name})"


def _region(meter: Meter, profile: Profile) -> "Iterator[Trouble]":
    if meter.region is None or meter.region in profile.regions:
        return
    if profile.regions:
        yield "region", shown(meter.region), one_of(profile.regions) + meant(meter.region, profile.regions)
    else:
        yield "region", shown(meter.region), f"nothing: {profile.name} has one window for all"


def _tariffs(meter: Meter, profile: Profile) -> "Iterator[Trouble]":
    try:
        profile.named(meter)
        if any(len(rates) == max(1, len(meter.tariffs or {})) for rates in profile.rates):
            return
    except KeyError:
        pass
    words = [", ".join(rates.values()) for rates in profile.rates]
    found = ", ".join((meter.tariffs or {"": "no tariffs"}).values())
    yield "tariffs", found, f"what {profile.name} takes: {' or '.join(words)}"


def _templates(meter: Meter, profile: Profile) -> "Iterator[Trouble]":
    named = {word for text in profile.templates() for word in WORD.findall(text)}
    if "PLACE" in named and not meter.place:
        yield "place", "nothing", f"the address: {profile.name} asks for it"
    pads = any(way is not None and way.pad for way in (profile.sms, profile.mail))
    if pads and meter.digits is None:
        yield "digits", "nothing", f"the whole digits of the display: {profile.name} wants zeros before the figures"


def channels_of(profile: Profile, config: Config) -> tuple[list[str], list[str]]:
    """The fall-back channels that can be used, and for each other one of the profile why it cannot."""
    usable: list[str] = []
    why: list[str] = []
    for channel in profile.fallback:
        if channel == "sms" and (profile.sms is None or not profile.sms.number):
            why.append(f"sms: no number; set [sms] number in {_own(profile)}")
        elif channel == "sms" and config.modem is None:
            why.append("sms: there is no [modem]")
        elif channel == "mail" and (profile.mail is None or not profile.mail.to):
            why.append(f"mail: no address; set [mail] to in {_own(profile)}")
        elif channel == "mail" and config.mail is None:
            why.append("mail: there is no [mail]")
        else:
            usable.append(channel)
    return usable, why


def _own(profile: Profile) -> str:
    """Where the installer writes it: a shipped file is never changed."""
    if profile.file.parent != Path(__file__).parent / "profiles":
        return str(profile.file)
    return f'a file in gateway.utilities_dir that extends = "{profile.name}"'


def with_region(rule: Rule, region: Mapping[str, object]) -> Rule:
    """The general rule with what a region says otherwise."""
    return replace(rule, **region)  # type: ignore[arg-type]  # the loader has checked names and types
