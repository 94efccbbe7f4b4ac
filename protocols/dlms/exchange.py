"""The application's exchanges: each a generator that yields APDUs to send, is sent the answers, and returns a reply.

What lies below (HDLC or wrapper) and above (one pending question) is in ``session.py``.
"""

import hmac
from collections.abc import Generator, Iterator
from typing import Any, TypeVar

from protocols.dlms import axdr, words
from protocols.dlms.acse import (
    CIPHERED,
    LOGICAL_NAMES,
    PROVIDER,
    AssociationAnswer,
    AssociationRequest,
    Initiate,
    release_request,
    released,
)
from protocols.dlms.answers import (
    ActionAnswer,
    ActionMore,
    ActionPiece,
    Answer,
    ExceptionAnswer,
    GetAnswer,
    GetBlock,
    GetListAnswer,
    Notification,
    ServiceError,
    SetAnswer,
    list_items,
    parse_answer,
)
from protocols.dlms.apdu import (
    INVOKE,
    ActionBlock,
    ActionNext,
    ActionRequest,
    Attribute,
    GetListRequest,
    GetNext,
    GetRequest,
    SetBlock,
    SetRequest,
    obis,
)
from protocols.dlms.link import LARGEST_APDU
from protocols.dlms.questions import (
    Action,
    Associate,
    Associated,
    Denied,
    Done,
    Get,
    GetList,
    Release,
    Security,
    Set,
    Value,
)
from protocols.dlms.security import GMAC, challenge_answer, gmac_answer, is_ciphered, protect, reveal
from protocols.errors import AccessDenied, BadFrame, MeterError, Refused

REPLY_TO_HLS = Attribute(15, obis("0.0.40.0.0.255"), 1)
BLOCK_OVERHEAD = 48  # octets of an APDU beside a block's piece: descriptor, block number, ciphering
ACCEPTED, AUTHENTICATION_REQUIRED = 0, 14

Steps = Generator[bytes, bytes, Any]
T = TypeVar("T", bound=Answer)


class Talk:
    """What holds for one association: numbers of questions, frame counters, what the meter granted."""

    def __init__(self, strict_invoke: bool = True) -> None:
        self._strict = strict_invoke
        self._invoke = 0
        self.associate: Associate | None = None
        self.granted = Associated(0, 0)
        self._peer = b""
        self._heard = -1  # the meter's highest frame counter so far

    def get(self, question: Get) -> Steps:
        invoke = self._number()
        answer = yield from self._ask(GetRequest(invoke, question.attribute).to_bytes(), invoke)
        if isinstance(answer, GetBlock):
            return Value(axdr.decode((yield from self._blocks(answer, str(question.attribute)))))
        plain = _is(answer, GetAnswer)
        if plain.error:
            raise words.access_error(str(question.attribute), plain.error)
        return Value(axdr.decode(plain.data))

    def get_list(self, question: GetList) -> Steps:
        invoke = self._number()
        answer = yield from self._ask(GetListRequest(invoke, question.attributes).to_bytes(), invoke)
        if isinstance(answer, GetAnswer) and answer.error:
            raise words.access_error("GET with a list", answer.error)
        if isinstance(answer, GetBlock):
            items = yield from self._blocks(answer, "GET with a list")
        else:
            items = _is(answer, GetListAnswer).items
        found = list_items(items)
        if len(found) != len(question.attributes):
            raise BadFrame(f"{len(found)} results came for {len(question.attributes)} attributes")
        return tuple(Denied(item) if isinstance(item, int) else Value(axdr.decode(item)) for item in found)

    def _blocks(self, block: GetBlock, what: str) -> Generator[bytes, bytes, bytes]:
        whole = _Whole(what)
        while True:
            if block.error:
                raise words.access_error(what, block.error)
            if whole.takes(block):
                return whole.octets
            ask = GetNext(block.invoke, whole.count).to_bytes()
            block = _is((yield from self._ask(ask, block.invoke)), GetBlock)

    def set(self, question: Set) -> Steps:
        invoke, most = self._number(), self.granted.max_pdu or 0xFFFF
        what = str(question.attribute)
        if len(question.data) + BLOCK_OVERHEAD <= most:
            answer = yield from self._ask(SetRequest(invoke, question.attribute, question.data).to_bytes(), invoke)
            return _written(_is(answer, SetAnswer), what)
        for number, last, piece in _pieces(question.data, most):
            block = SetBlock(invoke, question.attribute if number == 1 else None, last, number, piece)
            heard = _is((yield from self._ask(block.to_bytes(), invoke)), SetAnswer)
            if heard.error or last:
                return _written(heard, what)
            if heard.block != number:
                raise BadFrame(f"block {heard.block} is acknowledged, {number} was sent")
        raise AssertionError("the last block returns")

    def action(self, question: Action) -> Steps:
        return (yield from self._call(question.method, question.data))

    def _call(self, method: Attribute, data: bytes | None) -> Generator[bytes, bytes, Value | Done]:
        """Call a method: long parameters go in blocks, a long result comes in blocks."""
        invoke, most = self._number(), self.granted.max_pdu or 0xFFFF
        if data is None or len(data) + BLOCK_OVERHEAD <= most:
            answer = yield from self._ask(ActionRequest(invoke, method, data).to_bytes(), invoke)
        else:
            answer = yield from self._long_call(invoke, method, data, most)
        if isinstance(answer, ActionPiece):
            return Value(axdr.decode((yield from self._returned(answer))))
        done = _is(answer, ActionAnswer)
        if done.error:
            raise words.action_error(f"method {method.index} of {method}", done.error)
        if done.data_error:
            raise words.access_error(f"what method {method.index} of {method} returns", done.data_error)
        return Done() if done.data is None else Value(axdr.decode(done.data))

    def _long_call(self, invoke: int, method: Attribute, data: bytes, most: int) -> Generator[bytes, bytes, Answer]:
        """The answer to the last block, or to one that the meter refuses before."""
        for number, last, piece in _pieces(data, most):
            block = ActionBlock(invoke, method if number == 1 else None, last, number, piece)
            answer = yield from self._ask(block.to_bytes(), invoke)
            if last or (isinstance(answer, ActionAnswer) and answer.error):
                return answer
            more = _is(answer, ActionMore)
            if more.block != number:
                raise BadFrame(f"block {more.block} is acknowledged, {number} was sent")
        raise AssertionError("the last block returns")

    def _returned(self, block: ActionPiece) -> Generator[bytes, bytes, bytes]:
        whole = _Whole("what a method returns")
        while not whole.takes(block):
            answer = yield from self._ask(ActionNext(block.invoke, whole.count).to_bytes(), block.invoke)
            if isinstance(answer, ActionAnswer) and answer.error:
                raise words.action_error("the rest of what a method returns", answer.error)
            block = _is(answer, ActionPiece)
        return whole.octets

    def open(self, question: Associate) -> Steps:
        """AARQ and AARE; then for HLS our answer to the meter's challenge and its answer to ours."""
        self._heard, self._peer = -1, b""
        self.associate = None
        initiate, security = self._initiate(question), question.security
        answer = AssociationAnswer.from_bytes(
            (
                yield AssociationRequest(
                    user=initiate,
                    context=CIPHERED if question.ciphered else LOGICAL_NAMES,
                    mechanism=question.mechanism,
                    authentication=question.challenge if question.mechanism > 1 else question.secret,
                    title=security.title if security else b"",
                ).to_bytes()
            )
        )
        self._peer = answer.title or (security.peer if security else b"")
        user = answer.user
        if is_ciphered(user) and security is not None:
            user = self._reveal(user, security)
        _check_association(answer, user, question)
        granted = Initiate.from_response(user)
        self.associate = question
        self.granted = Associated(granted.conformance, granted.max_pdu, self._peer)
        if question.mechanism > 1:
            yield from self._prove(question, answer.authentication)
        return self.granted

    def _initiate(self, question: Associate) -> bytes:
        security = question.security
        dedicated = security.keys.dedicated if security and question.ciphered else None
        plain = Initiate(question.conformance, question.max_pdu, dedicated).request()
        if security is None or not question.ciphered:
            return plain
        return protect(plain, security.keys, security.control, security.title, security.counter.next())

    def _prove(self, question: Associate, challenge: bytes) -> Generator[bytes, bytes, None]:
        """HLS pass 3 and 4. Until the meter has proved itself nothing it says is believed."""
        if not 8 <= len(challenge) <= 64:
            raise BadFrame(f"a challenge of {len(challenge)} octets; 8 to 64 are legal")
        if challenge == question.challenge:
            raise AccessDenied("the meter sends our own challenge back")  # else it could answer with our answer
        security = question.security
        if question.mechanism == GMAC:
            if security is None:
                raise ValueError("HLS GMAC needs keys")
            ours = gmac_answer(security.keys, security.title, security.counter.next(), challenge)
        else:
            titles = (security.title if security else b"", self._peer)
            ours = challenge_answer(question.mechanism, question.secret, challenge, question.challenge, titles)
        before = self._heard
        try:
            reply = yield from self._call(REPLY_TO_HLS, axdr.octets(ours))
        except words.NoAccess as no:
            raise AccessDenied(
                f"the meter does not accept our answer to its challenge: wrong secret or keys ({no})"
            ) from no
        proof = reply.data if isinstance(reply, Value) else None
        if not isinstance(proof, bytes) or not hmac.compare_digest(
            proof, self._expected(question, challenge, proof, before)
        ):
            raise AccessDenied("the meter could not prove that it knows the secret (HLS pass 4)")

    def _expected(self, question: Associate, challenge: bytes, proof: bytes, before: int) -> bytes:
        """``before``: the meter's frame counter before this answer; the one inside may be below the answer's own."""
        security = question.security
        if question.mechanism == GMAC and security is not None:
            if len(proof) != 17 or len(self._peer) != 8:
                raise AccessDenied("the meter's HLS answer or system title has a wrong length")
            counter = int.from_bytes(proof[1:5], "big")
            if counter <= before:
                raise AccessDenied("the meter's HLS answer has an old frame counter: replayed")
            self._heard = max(self._heard, counter)
            return gmac_answer(security.keys, self._peer, counter, question.challenge)
        titles = (self._peer, security.title if security else b"")
        return challenge_answer(question.mechanism, question.secret, question.challenge, challenge, titles)

    def release(self, question: Release) -> Steps:
        associate, self.associate = self.associate, None
        protected = associate is not None and associate.ciphered
        user = self._initiate(associate) if associate is not None and protected else b""
        reason = released((yield release_request(user)))
        if reason:
            raise Refused(f"release refused: {words.RELEASE_REASONS.get(reason, 'unknown reason')}", reason)
        return Done()

    def _number(self) -> int:
        self._invoke = (self._invoke + 1) & 0x0F
        return INVOKE | self._invoke

    def _ask(self, apdu: bytes, invoke: int) -> Generator[bytes, bytes, Answer]:
        """One request and the answer to it: unprotected if need be, later and pushed ones skipped."""
        associate = self.associate
        if associate is not None and associate.ciphered and associate.security is not None:
            security = associate.security
            apdu = protect(
                apdu, security.keys, security.control, security.title, security.counter.next(), security.wrapping
            )
        heard = yield apdu
        while True:
            answer = self._understand(heard)
            if isinstance(answer, ExceptionAnswer):
                raise words.exception_error(answer.state, answer.service, answer.counter)
            if isinstance(answer, ServiceError):
                raise Refused(f"service error {answer.service}/{answer.kind}/{answer.value}")
            if isinstance(answer, Notification) or (self._strict and (answer.invoke ^ invoke) & 0x0F):
                heard = yield b""  # pushed, or the answer to an older question: go on listening
                continue
            return answer

    def _understand(self, apdu: bytes) -> Answer:
        associate = self.associate
        if associate is None or not associate.ciphered or associate.security is None:
            if is_ciphered(apdu):
                raise BadFrame(f"a ciphered answer in a plain association: {apdu[:8].hex(' ')}")
            return parse_answer(apdu)
        if is_ciphered(apdu):
            return parse_answer(self._reveal(apdu, associate.security))
        answer = parse_answer(apdu)
        if isinstance(answer, (ExceptionAnswer, ServiceError)):
            return answer  # may come in the clear at any time, says no more than no
        raise BadFrame(f"an unprotected answer in a ciphered association: {apdu[:8].hex(' ')}")

    def _reveal(self, apdu: bytes, security: Security) -> bytes:
        counter, plain = reveal(apdu, security.keys, self._peer, security.control)
        self._accept(counter)
        return plain

    def _accept(self, counter: int) -> None:
        if counter <= self._heard:
            raise BadFrame(f"frame counter {counter} after {self._heard}: repeated or replayed")
        self._heard = counter


def _is(answer: Answer, kind: type[T]) -> T:
    if not isinstance(answer, kind):
        raise BadFrame(f"{type(answer).__name__} came, {kind.__name__} was expected")
    return answer


class _Whole:
    """A long value that comes block by block, counted from 1. ``octets`` and ``count`` are what has come so far."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.octets = b""
        self.count = 0

    def takes(self, block: GetBlock | ActionPiece) -> bool:
        """Whether this was the last one. BadFrame for a block out of turn, or where they never end."""
        self.count += 1
        if block.number != self.count:
            raise BadFrame(f"block {block.number} came, {self.count} was expected")
        self.octets += block.piece
        if not block.last and (len(self.octets) > LARGEST_APDU or not block.piece):
            raise BadFrame(f"{self._what}: blocks without end, {len(self.octets)} octets so far")
        return block.last


def _pieces(data: bytes, most: int) -> Iterator[tuple[int, bool, bytes]]:
    """Number from 1, whether it is the last, and octets of each block that fits into a PDU of ``most`` octets."""
    size = max(1, most - BLOCK_OVERHEAD)
    for number, at in enumerate(range(0, len(data), size), 1):
        yield number, at + size >= len(data), data[at : at + size]


def _written(answer: SetAnswer, what: str) -> Done:
    if answer.error:
        raise words.access_error(what, answer.error)
    return Done()


def _check_association(answer: AssociationAnswer, user: bytes, question: Associate) -> None:
    """Raise as text unless the meter accepted us (diagnostic 14 is normal in HLS pass 2)."""
    if answer.result == ACCEPTED and answer.diagnostic in (0, AUTHENTICATION_REQUIRED):
        if (answer.diagnostic == AUTHENTICATION_REQUIRED or answer.authentication) and question.mechanism < 2:
            raise Refused("the meter wants HLS authentication from this client", answer.diagnostic)
        if question.mechanism > 1 and not answer.authentication:
            raise Refused("the meter accepted the association without HLS, which was asked for: not trusted")
        return
    raise _refusal(answer, user, question)


def _refusal(answer: AssociationAnswer, user: bytes, question: Associate) -> MeterError:
    provider = answer.source == PROVIDER
    table = words.PROVIDER_DIAGNOSTICS if provider else words.USER_DIAGNOSTICS
    text = table.get(answer.diagnostic, f"diagnostic {answer.diagnostic}")
    if len(user) == 4 and user[:3] == b"\x0e\x01\x06":
        text += f"; {words.INITIATE_ERRORS.get(user[3], f'initiate error {user[3]}')}"
    lasting = {1: "for good", 2: "for now"}.get(answer.result, f"result {answer.result}")
    text = f"the meter refuses the association {lasting}: {text} (diagnostic {answer.diagnostic})"
    # "no reason given" is what many meters say to a wrong password: taken for one, since some meters lock
    suspicious = (1, 13) if question.mechanism else (13,)
    if not provider and answer.diagnostic in suspicious:
        return AccessDenied(text)
    return Refused(text, answer.diagnostic)
