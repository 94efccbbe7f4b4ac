"""``meterpost channels``: the ways to the utility beside MQTT, looked at and tried."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from agent.channels import mail
from agent.channels.errors import ChannelError, Kind
from agent.channels.inbox import DeliveryReport
from agent.channels.pins import Pins
from agent.channels.sms import Modem, ModemState, Sent, same_number
from agent.cli.output import CONFIG, DEFAULT_FILE, JSON, load_config
from agent.cli.screen import colour, emit, note, table, wrapped
from agent.config.values import Config
from agent.config.values import MailSettings as MailServer
from agent.exits import Exit, Failure
from protocols.gsm import pdu

T = TypeVar("T")

SCHEMA = "meterpost/channels/1"
REPORTED = 60.0  # s that a test message has to be reported as delivered
PAUSE = 5.0  # s between checks for the report
WEAK = -95  # dBm; below it sending fails now and then

app = typer.Typer(
    help="The modem and the mail server: do they work? Without a command: an examination of both, nothing leaves."
)

Send = Annotated[bool, typer.Option("--send", help="Really send it; without it the message is only shown.")]


@app.callback(invoke_without_command=True)
def channels(
    context: typer.Context,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
    as_json: Annotated[bool, JSON] = False,
) -> int:
    """Look at the modem (SIM, network, signal) and log in at the mail server. Nothing is sent.

    \b
    Example:
      meterpost channels
      meterpost channels test-sms +79161234567 --send
    """
    if context.invoked_subcommand is not None:
        return Exit.DONE
    values = load_config(config)
    if values.modem is None and values.mail is None:
        raise Failure(
            f"{config} has neither [modem] nor [mail]",
            Exit.CONFIG,
            "statements can leave by MQTT only; see docs/channels.md",
        )
    if values.modem is not None and not as_json:
        note("looking at the modem; without a network this takes a minute")
    found = {"schema": SCHEMA, "modem": look_at_modem(values), "mail": look_at_mail(values.mail)}
    troubles = [one["trouble"] for one in (found["modem"], found["mail"]) if isinstance(one, dict) and one["trouble"]]
    if as_json:
        emit(found)
    else:
        show(found)
    return Exit.FAILED if troubles else Exit.DONE


@app.command("forget-pin")
def forget_pin(config: Annotated[Path, CONFIG] = DEFAULT_FILE) -> None:
    """PINs that were not accepted may be tried again: an operator made sure of them, or put another SIM in.

    \b
    Example:
      meterpost channels forget-pin
    """
    Pins(load_config(config).gateway.state_dir).forget()
    print(wrapped("forgotten; the configured PIN is tried once when the SIM asks"))


@app.command("test-sms")
def test_sms(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="For example your own.")],
    send: Send = False,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
) -> int:
    """Send a short message through the modem and wait a minute for the word that it was delivered.

    \b
    Example:
      meterpost channels test-sms +79161234567 --send
    """
    values = load_config(config)
    if values.modem is None:
        raise Failure(f"{config} has no [modem]", Exit.CONFIG)
    text = f"meterpost {values.gateway.id}: test"
    try:
        parts = pdu.submits(number, text)
    except ValueError as trouble:
        raise typer.BadParameter(str(trouble), param_hint="NUMBER") from None
    print(wrapped(f"to {parts[0].number}, {len(parts)} {'message' if len(parts) == 1 else 'messages'}: {text}"))
    if not send:
        note("nothing was sent; --send sends it")
        return Exit.DONE
    modem = _modem(values)
    sent = _carried(lambda: modem.send(number, text))
    print(f"the network took it, reference {', '.join(map(str, sent.references)) or 'not told'}")
    return _delivered(modem, sent)


@app.command("test-mail")
def test_mail(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="For example your own.")],
    send: Send = False,
    config: Annotated[Path, CONFIG] = DEFAULT_FILE,
) -> int:
    """Send an e-mail through the mail server.

    \b
    Example:
      meterpost channels test-mail someone@example.org --send
    """
    values = load_config(config)
    server = values.mail
    if server is None:
        raise Failure(f"{config} has no [mail]", Exit.CONFIG)
    now = datetime.now(UTC)
    email = mail.Email(
        address,
        f"meterpost {values.gateway.id}: проверка",
        f"Test e-mail of {values.gateway.id}, {now:%Y-%m-%d %H:%M:%S} UTC.\n",
    )
    print(wrapped(f"from {server.sender} to {address}: {email.subject}"))
    if not send:
        note("nothing was sent; --send sends it")
        return Exit.DONE
    name = mail.stable_id(server, f"test.{values.gateway.id}.{now:%Y%m%dT%H%M%S}")
    _carried(lambda: mail.send(server, email, name))
    print(wrapped(f"{server.host} took it, Message-ID {name}"))
    return Exit.DONE


def look_at_modem(values: Config) -> dict[str, Any] | None:
    if values.modem is None:
        return None
    try:
        state = _modem(values).probe()
    except ChannelError as trouble:
        state = ModemState("", "unknown", trouble=trouble)
    return {
        "port": values.modem.port,
        "model": state.model,
        "sim": state.sim,
        "network": state.network,
        "operator": state.operator,
        "signal_dbm": state.signal,
        "trouble": _trouble(state.trouble),
    }


def look_at_mail(server: MailServer | None) -> dict[str, Any] | None:
    if server is None:
        return None
    trouble, state = None, None
    try:
        state = mail.probe(server)
    except ChannelError as found:
        trouble = found
    return {
        "host": server.host,
        "port": server.port,
        "tls": state.tls if state else None,
        "logged_in": state.logged_in if state else False,
        "trouble": _trouble(trouble),
    }


def _trouble(trouble: ChannelError | None) -> dict[str, str] | None:
    return {"kind": str(trouble.kind), "text": str(trouble), "hint": trouble.hint} if trouble else None


def _modem(values: Config) -> Modem:
    assert values.modem is not None  # its caller has looked
    return Modem(values.modem, values.gateway.state_dir)


def _carried(work: Callable[[], T]) -> T:
    """The work's result; what kept a message from leaving becomes the command's own error."""
    try:
        return work()
    except ChannelError as trouble:
        raise Failure(str(trouble), Exit.IO if trouble.kind is Kind.PORT else Exit.FAILED, trouble.hint) from None


def _delivered(modem: Modem, sent: Sent) -> int:
    """Wait for the reports of what was sent, and take them out of the modem."""
    deadline = time.monotonic() + REPORTED
    while True:
        ours = [report for report in _carried(modem.reports) if _about(report, sent)]
        final = [report for report in ours if report.state != "waiting"]
        if len(final) >= sent.parts or time.monotonic() >= deadline:
            break
        time.sleep(PAUSE)
    if len(final) < sent.parts:
        note(f"no word of its delivery within {REPORTED:g} s: the telephone may be off")
        return Exit.DONE
    _carried(lambda: modem.forget(ours))
    states = sorted({report.state for report in final})
    print(f"the service centre says: {', '.join(states)}")
    return Exit.FAILED if "failed" in states else Exit.DONE


def _about(report: DeliveryReport, sent: Sent) -> bool:
    return report.reference in sent.references and same_number(report.recipient, sent.number)


def show(found: dict[str, Any]) -> None:
    """The state as it is read by hand."""
    modem, server = found["modem"], found["mail"]
    if modem:
        print(colour("bold", f"modem {modem['port']}"))
        network = " ".join(filter(None, (modem["network"], f"({modem['operator']})" if modem["operator"] else "")))
        rows = [("model", modem["model"]), ("SIM", modem["sim"]), ("network", network), ("signal", _signal(modem))]
        _rows(rows, modem["trouble"])
    if server:
        print(colour("bold", f"mail {server['host']}:{server['port']}"))
        login = "accepted" if server["logged_in"] else "none configured"
        line = server["tls"] or "plain"
        _rows([] if server["trouble"] else [("line", line), ("login", login)], server["trouble"])


def _signal(modem: dict[str, Any]) -> str:
    if modem["signal_dbm"] is None:
        return ""
    return f"{modem['signal_dbm']} dBm" + (" (weak)" if modem["signal_dbm"] < WEAK else "")


def _rows(rows: list[tuple[str, str]], trouble: dict[str, str] | None) -> None:
    known = [row for row in rows if row[1]]
    for line in table(known) if known else ():
        print(f"  {line}")
    if trouble:
        print(wrapped(f"  {colour('red', trouble['kind'])}: {trouble['text']}", "    "))
        print(wrapped(f"  hint: {trouble['hint']}", "    "))
