"""What people ask of statements: the technician by commands, the utility by its own."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agent.config.utility import window
from agent.config.utility.profile import Profile, channels_of, faults_of, profile_of
from agent.config.values import Config
from agent.statement.figures import NoReading
from agent.statement.log import StatementLog, Step
from agent.statement.making import Case
from agent.statement.view import document
from agent.statement.workflow import StatementWorkflow
from buffer.store import Store


class NotNow(ValueError):
    """It cannot be done, or must not; the text says why and what to do."""


class StatementActions:
    """Each method gives the documents of the statements that it concerned (:func:`agent.statement.view.document`)."""

    def __init__(self, room: StatementWorkflow) -> None:
        self._room = room

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A technician's request: ``do`` with ``points``, ``month``, ``by``, ``why`` and switches."""
        does = {"check": self.check, "confirm": self.confirm, "hold": self.hold, "send": self.send}
        do, month = str(asked.get("do")), asked.get("month")
        if do not in does:
            raise NotNow(f"statement {do}? There are: {', '.join(does)}")
        switches = {name: bool(asked[name]) for name in ("correct", "again", "late") if asked.get(name)}
        if asked.get("channel"):
            switches["channel"] = asked["channel"]
        found = []
        for point in asked.get("points") or []:
            with self._room.lock:
                case = self.case(str(point), None if month is None else str(month))
                book = does[do](case, str(asked.get("by") or "somebody"), str(asked.get("why") or ""), **switches)
                found.append(self._document(case, book))
        return {"statements": found}

    def asked_by_utility(self, points: Sequence[str]) -> dict[str, Any]:
        """The utility's command ``statement``: the figures of these points (none named: of all) now, as a record."""
        room = self._room
        named = points or [meter.point for meter in room.config.meters if profile_of(meter, room.profiles) is not None]
        found = []
        for point in named:
            try:
                with room.lock:
                    case = self.case(point, None)
                    book = self._for_utility(case, room.advance(case, asked=True))
                    found.append(self._short(case, book))
            except ValueError as trouble:
                found.append({"point": point, "error": str(trouble)})
        return {"statements": found}

    def _for_utility(self, case: Case, book: StatementLog) -> StatementLog:
        if book.attempt is None:
            book = self._room.make(case, book, "utility", "asked by the utility's command")
        book = self._room.advance(case, asked=True)
        if book.state == "checked":  # plausible, and only the window has passed: the utility itself asks for it
            book = self._room.publish(book, "utility", "asked by the utility's command", self._room.clock.stamp())
        return book

    def case(self, point: str, month: str | None) -> Case:
        """The point's statement of this month, of the window that opened last without one. NotNow with words."""
        room, now = self._room, self._room.clock.stamp()
        if now.state == "unset":
            raise NotNow("the gateway's clock is not set: nobody knows which window is open (timedatectl)")
        return case_of(room.config, room.profiles, room.store, point, month, now.utc)

    def check(self, case: Case, by: str, why: str, *, correct: bool = False) -> StatementLog:
        """Figures now, or new ones in place of the present ones; what is plausible then leaves by itself."""
        room, book = self._room, self._room.book(case)
        try:
            if correct and book.attempt is None:
                raise NotNow(f"{book.point}: there are no figures of {book.month} to correct; leave --correct out")
            if correct:
                book = room.correct(case, book, by, why or "corrected")
                if book.happened("queued", "left", "unclear", any_attempt=True) and not _refused(book):
                    text = "the utility may have earlier figures of this month"
                    return room.held(book, text, by, room.clock.stamp())
            elif book.attempt is None:
                room.make(case, book, by, why)
        except NoReading as trouble:
            raise NotNow(f"{book.point}: {trouble}") from None
        return room.advance(case, asked=True)

    def confirm(self, case: Case, by: str, why: str, *, late: bool = False) -> StatementLog:
        """A person answers for the figures; they leave at once where the window is open."""
        room, book = self._room, self._room.book(case)
        if book.attempt is None:
            raise NotNow(f"{book.point}: no figures of {book.month} yet; meterpost statement check makes them")
        if book.state not in ("held", "checked"):
            raise NotNow(f"{book.point}: the statement of {book.month} is {book.state}; there is nothing to confirm")
        self._in_time(case, late)
        stamp = room.clock.stamp()
        book = room.keep(book.noted(Step(stamp.utc, "checked", "confirmed", by, why)))
        if case.window.passed(stamp.utc):
            return room.publish(book, by, "late", stamp)
        return room.advance(case, asked=True)

    def hold(self, case: Case, by: str, why: str) -> StatementLog:
        """Nothing leaves until somebody confirms."""
        room, book = self._room, self._room.book(case)
        if book.state not in ("due", "checked", "held"):
            raise NotNow(f"{book.point}: the statement of {book.month} is {book.state}; it cannot be held any more")
        return room.held(book, why or "held by a person", by, room.clock.stamp())

    def send(
        self,
        case: Case,
        by: str,
        why: str,
        *,
        channel: str | None = None,
        again: bool = False,
        late: bool = False,
    ) -> StatementLog:
        """Now, by MQTT or by the channel that is named; the same figures a second time only with ``again``."""
        room, book = self._room, self._room.book(case)
        way = channel or "mqtt"
        self._must_have(way, case)
        if book.attempt is None:
            book = self.check(case, by, why)
            if way == "mqtt" and book.state == "sent":
                return book
        if self._must_confirm(case, book):
            raise NotNow(f"{book.point}: {_why(book)}: look at it, then meterpost statement confirm")
        gone = _gone(book, way)
        if book.state == "refused" and not again:
            why_not = book.happened("refused")[-1].reason
            text = f"{book.point}: these figures were refused ({why_not}); statement check --correct makes new ones"
            raise NotNow(f"{text}; if the utility had the fault and mended it: send --again")
        if gone and not again:
            raise NotNow(f"{book.point}: by {gone.channel} on {gone.at:%Y-%m-%d %H:%M} UTC already; --again repeats it")
        self._in_time(case, late)
        stamp = room.clock.stamp()
        if way != "mqtt":
            return room.carry(case, book, way, by, why or "sent by a person", stamp)
        return (room.publish_again if gone else room.publish)(book, by, why or "sent by a person", stamp)

    def _must_confirm(self, case: Case, book: StatementLog) -> bool:
        """Whether a person has to answer for the figures before they may leave."""
        doubted = _suspect(book) or self._room.rules(case.profile).always
        return book.waits or (doubted and not book.confirmed)

    def _must_have(self, way: str, case: Case) -> None:
        usable, whys = channels_of(case.profile, self._room.config)
        there = ["mqtt", *(name for name in usable if name in self._room.channels)]
        if way in there:
            return
        why = [text for text in whys if text.startswith(way)]
        reason = why[0] if why else f"{case.profile.name} and this gateway have: {', '.join(there)}"
        raise NotNow(f"{case.meter.point}: no way {way!r} ({reason})")

    def _in_time(self, case: Case, late: bool) -> None:
        now = self._room.clock.stamp().utc
        if case.window.passed(now) and not late:
            raise NotNow(f"{case.meter.point}: {_closed(case)}, then --late")

    def _document(self, case: Case, book: StatementLog) -> dict[str, Any]:
        over = case.window.passed(self._room.clock.stamp().utc) and book.state in ("checked", "held")
        do = "confirm" if self._must_confirm(case, book) else "send"
        text = f"{_closed(case)}, then meterpost statement {do} --late" if over else ""
        return document(case.meter, case.profile, case.window, book, self._room.config, text)

    def _short(self, case: Case, book: StatementLog) -> dict[str, Any]:
        """For the utility's reply: many points fit one message."""
        figures = dict(book.attempt.figures) if book.attempt else {}
        reason = book.steps[-1].reason if book.steps and book.state != "sent" else ""
        found = {"point": book.point, "month": book.month, "state": book.state, "figures": figures}
        return found | ({"reason": reason[:200]} if reason else {})


def _refused(book: StatementLog) -> bool:
    """The last figures before these were refused."""
    number = len(book.attempts) - 1
    return any(step.attempt == number and step.what == "refused" for step in book.steps)


def _suspect(book: StatementLog) -> bool:
    return book.attempt is not None and book.attempt.suspect


def _why(book: StatementLog) -> str:
    return book.steps[-1].reason or "not confirmed"


def _closed(case: Case) -> str:
    last = case.window.last_day
    return f"the window of {case.window.month} closed on {last}; ask the utility whether it still takes the figures"


def _gone(book: StatementLog, way: str) -> Step | None:
    """The step by which the present figures left, or may have left; of the ways beside MQTT any counts."""
    if way == "mqtt":
        return next(reversed(book.happened("queued")), None)
    last = book.happened("leaving", "left", "failed", "unclear")
    found = [step for step in last if step.what in ("left", "unclear")]
    found += [last[-1]] if last and last[-1].what == "leaving" else []
    return next(reversed(found), None)


def case_of(
    config: Config, profiles: Mapping[str, Profile], store: Store, point: str, month: str | None, now: datetime
) -> Case:
    """Whose statement of which month (None: of the window that opened last); NotNow where there can be none."""
    meter = next((one for one in config.meters if one.point == point), None)
    if meter is None:
        raise NotNow(f"no point named {point!r}; there are: {', '.join(one.point for one in config.meters)}")
    for key, found, expected in faults_of(meter, profiles):
        raise NotNow(f"{point}: {key}: found {found}, expected {expected}")
    profile = profile_of(meter, profiles)
    if profile is None:
        raise NotNow(f"{point}: its meter has no account and utility, so there is no statement of it")
    rule, zone = profile.rule_of(meter), config.gateway.timezone
    if month is None:
        return Case(store, meter, profile, window.latest(rule, now, zone))
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise NotNow(f"--month: found {month!r}, expected a month such as 2026-10")
    wanted = window.window_of(rule, month, zone)
    if wanted.opens > now:
        raise NotNow(f"{point}: the window of {month} opens on {wanted.day(wanted.opens)}")
    return Case(store, meter, profile, wanted)
