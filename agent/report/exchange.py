"""The exchange file's daily round: made, sent, made good where it was not accepted, answered.

Numbers run on permanently, a day's file is written and noted before it leaves, and what may have left is not sent again
unless an operator says so.
"""

import logging
import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.channels.errors import ChannelError
from agent.channels.mail import Email, stable_id
from agent.config.values import Config, MailSettings
from agent.config.values import ExchangeSettings as Settings
from agent.report import answer80021, half_hours
from agent.report.compile import Compiled, coded, compiled
from agent.report.days import CATCH_UP, ExchangeDay, ExchangeDays, ExchangeState, Note, balance
from agent.report.layout80020 import LayoutError
from buffer.body import milliseconds, time_text
from buffer.files import hand_over, put, sync_directory
from buffer.store import Store
from drivers.times import MILLISECOND

log = logging.getLogger("meterpost.exchange")

FOLDER = "exchange"  # in state_dir
NUMBER = re.compile(r"80020_\d+_\d{8}_(\d+)_\w+\.xml", re.ASCII)
STATE_OF: Mapping[int, ExchangeState] = {0: "accepted", 1: "in-part", 2: "refused", 3: "refused", 4: "refused"}

Post = Callable[[MailSettings, Email, str], None]
"""Send an e-mail under this Message-ID, or ChannelError."""


class ExchangeError(ValueError):
    """It cannot be done; the text says why and what to do."""


class ExchangeFiles:
    """The exchange of one gateway. Its methods may be called from any thread; they wait for one another."""

    def __init__(
        self,
        config: Callable[[], Config],
        store: Store,
        note: Note,
        now: Callable[[], datetime],
        post: Post,
        tell: Callable[[str], object] = lambda text: None,
    ) -> None:
        """``note`` writes a durable note (None forgets it), ``now`` is aware UTC; ``tell`` raises an event of a file
        that was refused or did not leave."""
        self._config, self._store, self._now, self._post, self._tell = config, store, now, post, tell
        self._days = ExchangeDays(store, note)
        self._lock = threading.RLock()
        self.stopping = False  # set by whoever ends the service: a round stops after the e-mail under way

    def make(self, day: date) -> ExchangeDay:
        """Write the file of this day under a new number, whatever became of earlier ones. ExchangeError for a day
        that is not over."""
        with self._lock:
            return self._make(day, self._days.get(day))

    def send(self, day: date, again: bool = False) -> ExchangeDay:
        """Send the file of this day by e-mail. ExchangeError where it has left already (``again`` sends it
        nevertheless), if there is none, or where the mail server does not take it."""
        with self._lock:
            known = self._get(day)
            if known is None:
                raise ExchangeError(f"{day}: there is no file; meterpost exchange make {day}")
            if known.state != "made" and not again:
                raise ExchangeError(f"{day}: {known.file or 'its file'} is {known.state}; --again sends it once more")
            return self._send(known)

    def answer(self, data: bytes) -> ExchangeDay:
        """Take the receiver's answer (Макет 80021). ExchangeError if there is none or of no file of ours; nothing
        has changed then."""
        settings = self._settings()
        try:
            answer = answer80021.parse(data)
        except answer80021.AnswerError as trouble:
            raise ExchangeError(str(trouble)) from None
        with self._lock:
            known = self._days.get(answer.day)
            if answer.inn != settings.inn:
                raise ExchangeError(f"the answer is for sender {answer.inn}; [exchange] inn is {settings.inn}")
            if known is None or (known.number != answer.number and answer.number not in known.earlier):
                raise ExchangeError(f"{answer.day}: no file of ours has number {answer.number}")
            if known.number != answer.number:
                raise ExchangeError(
                    f"{answer.day}: file {answer.number} was replaced by {known.number}; wait for its answer"
                )
            words = ": ".join(filter(None, (answer80021.STATUSES[answer.status], answer.details)))
            turned = known.turned(STATE_OF[answer.status], self._now(), words)
            return self._told(turned) if turned.state == "refused" else self._days.keep(turned)

    def catch_up(self) -> None:
        """Make the files of the days before today that were not made, make those anew that were not accepted and have
        better data now, and send what has not left; at most 45 days back. Troubles are logged, the next round goes
        on."""
        with self._lock:
            if self._config().exchange is None:
                return
            try:
                first = self._first()
            except LayoutError as trouble:
                log.error("no exchange file: %s", trouble)
                return
            reachable = True
            for back in range((self._today() - first).days, 0, -1) if first else ():
                if self.stopping:
                    return
                day = self._today() - timedelta(days=back)
                try:
                    known = self._up_to_date(day)
                    if known.state == "made" and reachable and self._can_send():
                        self._send(known)
                except ExchangeError as trouble:
                    reachable = False
                    log.warning("exchange: %s", trouble)
            self._prune()

    def _up_to_date(self, day: date) -> ExchangeDay:
        """As it is, or made anew: if there is none, its file is gone, or the records have become better since."""
        known = self._get(day)
        if known is None:
            return self._make(day, None)
        if known.state == "made" and not (self._folder() / known.file).exists():
            return self._make(day, known)
        if known.state in ("made", "sent", "in-part", "refused") and (known.gaps or known.state == "refused"):
            fresh = self._compile(day, known)
            if fresh.digest != known.digest and fresh.gaps <= known.gaps:
                return self._write(day, known, fresh)
        return known

    def asked(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """A technician's request, its arguments as parsed: ``verb`` make, send or answer."""
        return {"day": told(self.do(args))}

    def do(self, args: Mapping[str, Any]) -> ExchangeDay:
        """As ``asked``; the day as it stands then."""
        verb = args["verb"]
        if verb == "answer":
            return self.answer(args["data"])
        if verb == "make":
            return self.make(args["day"])
        if verb == "send":
            return self.send(args["day"], args["again"])
        raise ExchangeError(f"{verb!r}; there are: make, send, answer")

    # ── making ───────────────────────────────────────────────────────────

    def _make(self, day: date, known: ExchangeDay | None) -> ExchangeDay:
        if day >= self._today():
            raise ExchangeError(f"{day} is not over")
        return self._write(day, known, self._compile(day, known))

    def _compile(self, day: date, known: ExchangeDay | None) -> Compiled:
        try:
            meters, _ = coded(self._config())
        except LayoutError as trouble:
            raise ExchangeError(str(trouble)) from None
        if not meters:
            raise ExchangeError("no meter has an exchange_code")
        # A damaged note says nothing of what its day began with: it begins as a new one.
        before = known if known is not None and known.state != "unknown" else None
        return compiled(self._store, meters, day, self._zone(), balance(self._days.all()), before)

    def _write(self, day: date, known: ExchangeDay | None, found: Compiled) -> ExchangeDay:
        """The file first, its note second: a number may be lost by a power cut, and is never given twice."""
        number = 1 + max([one.number for one in self._days.all()] + self._numbers(), default=0)
        now = self._now()
        message = found.message(number, day, now, self._settings(), self._zone())
        try:
            content = message.to_bytes()
        except LayoutError as trouble:
            raise ExchangeError(f"{day}: {trouble}") from None
        folder = self._folder()
        put(folder / message.file_name, content)
        earlier = (*known.earlier, known.number) if known and known.number else ()
        made = ExchangeDay(day, number, message.file_name, "made", now, found.gaps, found.reason, found.digest)
        made = replace(made, carry=found.carry, left=found.left, balance=found.balance, earlier=earlier)
        self._days.keep(made)
        if known is None or known.state != "unknown":
            draft = {known.number} if known and known.state == "made" else set()
            self._sweep(day, {number, *earlier} - draft)
        return made

    def _sweep(self, day: date, kept: Collection[int]) -> None:
        """Files of this day that never left: a draft that was replaced, or that a power cut left without its note."""
        for path in self._folder().glob(f"80020_*_{day:%Y%m%d}_*.xml"):
            if _number(path) not in (0, *kept):
                path.unlink()

    def _numbers(self) -> list[int]:
        return [_number(path) for path in self._folder().glob("80020_*.xml")]

    # ── sending ──────────────────────────────────────────────────────────

    def _can_send(self) -> bool:
        return bool(self._settings().to) and self._config().mail is not None

    def _send(self, known: ExchangeDay) -> ExchangeDay:
        config, settings = self._config(), self._settings()
        if not settings.to or config.mail is None:
            raise ExchangeError("no one to send it to: [exchange] to and [mail] are not configured")
        try:
            content = (self._folder() / known.file).read_bytes()
        except OSError:
            raise ExchangeError(f"{known.day}: its file is gone; meterpost exchange make {known.day}") from None
        attached = ((known.file, content, "application/xml"),)
        email = Email(settings.to, known.file, f"Макет 80020 за {known.day:%d.%m.%Y}: {known.file}\n", attached)
        self._days.keep(known.turned("sending", self._now(), known.reason))
        try:
            self._post(config.mail, email, stable_id(config.mail, known.file.removesuffix(".xml")))
        except ChannelError as trouble:
            # A file that had left before stays among those that have: it is not sent again by itself.
            state: ExchangeState = "unclear" if trouble.unclear else known.state
            turned = known.turned(state, self._now(), known.reason, str(trouble))
            if (turned.state, turned.trouble) == (known.state, known.trouble):
                self._days.keep(turned)  # said already: it is tried again several times a day
            else:
                self._told(turned)
            raise ExchangeError(f"{known.day}: {known.file} is {state}: {trouble}") from None
        return self._days.keep(known.turned("sent", self._now(), known.reason))

    def _get(self, day: date) -> ExchangeDay | None:
        """No one else is sending while we hold the lock: a file that is ``sending`` was when the power went."""
        known = self._days.get(day)
        if known is None or known.state != "sending":
            return known
        return self._told(known.turned("unclear", self._now(), known.reason, "the power went while it was being sent"))

    def _told(self, day: ExchangeDay) -> ExchangeDay:
        """Kept, with an event: first that, for a power cut in between would swallow it."""
        self._tell(f"{day.file} of {day.day}: {day.state}: {day.words}")
        return self._days.keep(day)

    # ── what it stands on ────────────────────────────────────────────────

    def _settings(self) -> Settings:
        settings = self._config().exchange
        if settings is None:
            raise ExchangeError("[exchange] is not configured")
        return settings

    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._config().gateway.timezone)

    def _today(self) -> date:
        return self._now().astimezone(self._zone()).date()

    def _folder(self) -> Path:
        folder = self._config().gateway.state_dir / FOLDER
        if not folder.exists():
            folder.mkdir(mode=0o750)
            hand_over(folder)
            sync_directory(folder.parent)
        return folder

    def _first(self) -> date | None:
        """The first day, at most 45 back, of which there are half hours; None without any. LayoutError."""
        meters, left_out = coded(self._config())
        if left_out:
            log.info("points without an exchange_code are left out: %s", ", ".join(left_out))
        points = {meter.point for meter in meters}
        start, _ = half_hours.bounds(self._today() - timedelta(days=CATCH_UP), self._zone())
        end, _ = half_hours.bounds(self._today(), self._zone())
        # The interval that ends at midnight is of the day before.
        for point, _, at in self._store.present("interval", start + MILLISECOND, end + MILLISECOND):
            if point in points:
                return (at - MILLISECOND).astimezone(self._zone()).date()
        return None

    def _prune(self) -> None:
        """Files and notes of days that the records themselves are not kept for; never the newest number's."""
        days = self._days.all()
        newest = max((one.number for one in days), default=0)
        oldest = self._today() - timedelta(days=self._config().gateway.keep_days)
        for one in days:
            if one.day < oldest and one.number != newest:
                if one.file:
                    (self._folder() / one.file).unlink(missing_ok=True)
                self._days.forget(one.day)


def _number(path: Path) -> int:
    """Of a file of ours; 0 for another's."""
    match = NUMBER.fullmatch(path.name)
    return int(match[1]) if match else 0


def told(day: ExchangeDay) -> dict[str, Any]:
    """A day as ``--json`` shows it."""
    return {
        "day": day.day.isoformat(),
        "number": day.number or None,
        "file": day.file or None,
        "state": day.state,
        "since": time_text(milliseconds(day.since)),
        "gaps": day.gaps,
        "reason": day.words or None,
    }
