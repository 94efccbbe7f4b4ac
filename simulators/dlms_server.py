"""The application of a simulated DLMS meter: associations, GET, SET, ACTION, blocks, ciphering."""

import hmac
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from protocols.dlms import axdr
from protocols.dlms.acse import (
    CIPHERED,
    LOGICAL_NAMES,
    AssociationAnswer,
    AssociationRequest,
    Initiate,
    release_answer,
)
from protocols.dlms.answers import (
    ActionAnswer,
    ActionMore,
    Answer,
    ExceptionAnswer,
    GetAnswer,
    GetBlock,
    GetListAnswer,
    ServiceError,
    SetAnswer,
    encode_items,
)
from protocols.dlms.apdu import (
    ActionBlock,
    ActionNext,
    ActionRequest,
    Attribute,
    GetListRequest,
    GetNext,
    GetRequest,
    Request,
    SetBlock,
    SetRequest,
    parse_request,
)
from protocols.dlms.questions import CONFORMANCE
from protocols.dlms.security import (
    GENERAL_DED,
    GENERAL_GLO,
    GMAC,
    Keys,
    challenge_answer,
    gmac_answer,
    is_ciphered,
    protect,
    reveal,
)
from protocols.errors import AccessDenied, BadFrame, MeterError
from simulators.dlms_objects import CosemObject

UNDEFINED, DENIED, OTHER_CLASS = 4, 3, 9
NO_LONG_GET, WRONG_BLOCK = 16, 19
UNAVAILABLE, NONE_IN_PROGRESS = 14, 16  # blocks of an ACTION
LARGEST_SET = 1 << 16


@dataclass
class Access:
    """Who may open what: authentication of one client, and whether it may write. ``ciphered``: nothing goes in the
    clear. ``only``: the OBIS codes that it sees, None for all."""

    mechanism: int = 0
    secret: bytes = b""
    writes: bool = False
    ciphered: bool = False
    only: frozenset[bytes] | None = None


@dataclass
class Opened:
    """An association under way."""

    client: int
    access: Access
    max_pdu: int
    title: bytes
    keys: Keys | None
    ciphered: bool
    ours: bytes = b""  # HLS challenges
    theirs: bytes = b""
    proved: bool = True
    rest: bytes = b""  # blocks that are not sent yet
    block: int = 0
    target: Attribute | None = None  # of a SET or ACTION in blocks
    written: bytes = b""


@dataclass
class Server:
    """One meter's objects and clients. ``max_pdu``: the longest APDU that it takes and sends."""

    objects: dict[tuple[int, bytes], CosemObject] = field(default_factory=dict)
    clients: dict[int, Access] = field(default_factory=dict)
    keys: Keys | None = None
    title: bytes = b"MPT\x00\x00\x00\x00\x01"
    max_pdu: int = 1224
    conformance: int = CONFORMANCE
    seed: int = 0
    refused: int = 0  # wrong passwords so far
    counters: dict[bytes, int] = field(default_factory=dict)  # the highest frame counter of each system title
    asked: list[Request] = field(default_factory=list)  # what was understood, for tests
    _sent: int = 0  # our own frame counter
    _opened: Opened | None = None

    def __post_init__(self) -> None:
        self._dice = random.Random(f"dlms {self.seed}")

    def add(self, objects: Iterable[CosemObject]) -> None:
        self.objects |= {(each.class_id, each.code): each for each in objects}

    def close(self) -> None:
        """The link below is gone, and the association with it."""
        self._opened = None

    def answer(self, client: int, apdu: bytes) -> bytes:
        """The answer to one APDU of this client."""
        try:
            if apdu[:1] == b"\x60":
                return self._open(client, AssociationRequest.from_bytes(apdu))
            if apdu[:1] == b"\x62":
                self._opened = None
                return release_answer()
            return self._serve(client, apdu)
        except BadFrame:
            return ExceptionAnswer(2, 2).to_bytes()

    def _open(self, client: int, request: AssociationRequest) -> bytes:
        self._opened = None
        access = self.clients.get(client)
        if access is None:
            return self._refuse(request, 1)
        ciphered = request.context == CIPHERED
        if request.context not in (LOGICAL_NAMES, CIPHERED) or (access.ciphered and not ciphered):
            return self._refuse(request, 2)
        if request.mechanism != access.mechanism:
            return self._refuse(request, 11 if request.mechanism else 12)
        if access.mechanism == 1 and not hmac.compare_digest(request.authentication, access.secret):
            self.refused += 1
            return self._refuse(request, 13)
        user, keys = request.user, self.keys
        if is_ciphered(user):
            try:
                counter, user = self._reveal(user, request.title, keys)
            except MeterError:
                return self._refuse(request, 13)
            if counter <= self.counters.get(request.title, -1):
                return self._refuse(request, 1)
            self.counters[request.title] = counter
        initiate = Initiate.from_request(user)
        if keys is not None and initiate.dedicated is not None:
            keys = Keys(keys.block, keys.authentication, initiate.dedicated)
        hls = access.mechanism > 1
        self._opened = Opened(
            client,
            access,
            min(self.max_pdu, initiate.max_pdu or self.max_pdu),
            request.title,
            keys,
            ciphered,
            ours=self._dice.randbytes(16) if hls else b"",
            theirs=request.authentication,
            proved=not hls,
        )
        return self._accept(request, initiate, ciphered)

    def _reveal(self, apdu: bytes, title: bytes, keys: Keys | None) -> tuple[int, bytes]:
        if keys is None:
            raise AccessDenied("this meter has no keys")
        return reveal(apdu, keys, title)

    def _accept(self, request: AssociationRequest, initiate: Initiate, ciphered: bool) -> bytes:
        opened = self._opened
        granted = Initiate(initiate.conformance & self.conformance, self.max_pdu).response()
        if ciphered and opened is not None and opened.keys is not None:
            granted = protect(granted, opened.keys, request.user[2] | 0x20, self.title, self._count())
        hls = request.mechanism > 1
        return AssociationAnswer(
            result=0,
            diagnostic=14 if hls else 0,
            user=granted,
            context=request.context,
            mechanism=request.mechanism,
            authentication=opened.ours if opened else b"",
            title=self.title if request.title else b"",
        ).to_bytes()

    def _refuse(self, request: AssociationRequest, diagnostic: int) -> bytes:
        user = ServiceError(1, 6, 4).to_bytes()
        return AssociationAnswer(1, diagnostic, user, context=request.context).to_bytes()

    def _count(self) -> int:
        self._sent += 1
        return self._sent

    def _serve(self, client: int, apdu: bytes) -> bytes:
        opened = self._opened
        if opened is None or opened.client != client:
            return ExceptionAnswer(1, 1).to_bytes()
        if not is_ciphered(apdu):
            if opened.ciphered:
                return ExceptionAnswer(1, 3).to_bytes()
            return self._reply(opened, parse_request(apdu)).to_bytes()
        try:
            counter, plain = self._reveal(apdu, opened.title, opened.keys)
        except MeterError:
            return ExceptionAnswer(1, 5).to_bytes()
        highest = self.counters.get(opened.title, -1)
        if counter <= highest:
            return ExceptionAnswer(1, 6, highest + 1).to_bytes()
        self.counters[opened.title] = counter
        reply = self._reply(opened, parse_request(plain)).to_bytes()
        wrapping, control = self._form(apdu)
        return protect(reply, opened.keys or Keys(b"", b""), control, self.title, self._count(), wrapping)

    @staticmethod
    def _form(apdu: bytes) -> tuple[str, int]:
        """How the request is wrapped, and its control octet: the answer takes the same."""
        at = 1
        wrapping = "ded" if apdu[0] >= 0xD0 else "glo"
        if apdu[0] in (GENERAL_GLO, GENERAL_DED):
            wrapping = "general-glo" if apdu[0] == GENERAL_GLO else "general-ded"
            _, at = axdr.octets_at(apdu, 1)
        body, _ = axdr.octets_at(apdu, at)
        return wrapping, body[0]

    def _reply(self, opened: Opened, request: Request) -> Answer:
        self.asked.append(request)
        if not opened.proved and not isinstance(request, (ActionRequest, ActionBlock)):
            return ExceptionAnswer(1, 1)
        match request:
            case GetRequest():
                value = self._value(opened, request.attribute)
                if isinstance(value, int):
                    return GetAnswer(request.invoke, b"", value)
                return self._whole_or_block(opened, GetAnswer(request.invoke, value), value)
            case GetListRequest():
                items = encode_items([self._value(opened, attribute) for attribute in request.attributes])
                return self._whole_or_block(opened, GetListAnswer(request.invoke, items), items)
            case GetNext():
                return self._next(opened, request)
            case SetRequest():
                return SetAnswer(request.invoke, self._write(opened, request.attribute, request.data))
            case SetBlock():
                return self._write_block(opened, request)
            case ActionRequest():
                return self._act(opened, request)
            case ActionBlock():
                return self._act_block(opened, request)
            case ActionNext():
                return ActionAnswer(request.invoke, NONE_IN_PROGRESS)  # nothing that we return is long

    def _value(self, opened: Opened, attribute: Attribute) -> bytes | int:
        """A-XDR octets, or a data-access-result."""
        found = self.objects.get((attribute.class_id, attribute.code))
        if found is None:
            known = any(code == attribute.code for _, code in self.objects)
            return OTHER_CLASS if known else UNDEFINED
        if opened.access.only is not None and attribute.code not in opened.access.only:
            return DENIED
        value = found.read(attribute.index, attribute.access)
        return UNDEFINED if value is None else value

    def _whole_or_block(self, opened: Opened, answer: GetAnswer | GetListAnswer, raw: bytes) -> Answer:
        if len(answer.to_bytes()) + 30 <= opened.max_pdu:
            return answer
        opened.rest, opened.block = raw, 0
        return self._next(opened, GetNext(answer.invoke, 0))

    def _next(self, opened: Opened, request: GetNext) -> Answer:
        if not opened.rest:
            return GetAnswer(request.invoke, b"", NO_LONG_GET)
        if request.block != opened.block:
            opened.rest = b""
            return GetBlock(request.invoke, True, request.block, b"", WRONG_BLOCK)
        size = opened.max_pdu - 40
        piece, opened.rest = opened.rest[:size], opened.rest[size:]
        opened.block += 1
        return GetBlock(request.invoke, not opened.rest, opened.block, piece)

    def _write(self, opened: Opened, attribute: Attribute, value: bytes) -> int:
        found = self.objects.get((attribute.class_id, attribute.code))
        if found is None:
            return UNDEFINED
        if not opened.access.writes or attribute.index not in found.writes:
            return DENIED
        found.writes[attribute.index](value)
        return 0

    def _write_block(self, opened: Opened, request: SetBlock) -> SetAnswer:
        if request.attribute is not None:
            opened.target, opened.written, opened.block = request.attribute, b"", 0
        if opened.target is None or request.number != opened.block + 1 or len(opened.written) > LARGEST_SET:
            return SetAnswer(request.invoke, WRONG_BLOCK, request.number)
        opened.block = request.number
        opened.written += request.piece
        if not request.last:
            return SetAnswer(request.invoke, 0, request.number, False)
        target, opened.target = opened.target, None
        return SetAnswer(request.invoke, self._write(opened, target, opened.written), request.number)

    def _act_block(self, opened: Opened, request: ActionBlock) -> ActionAnswer | ActionMore:
        if request.method is not None:
            opened.target, opened.written, opened.block = request.method, b"", 0
        if opened.target is None or request.number != opened.block + 1 or len(opened.written) > LARGEST_SET:
            return ActionAnswer(request.invoke, UNAVAILABLE)
        opened.block = request.number
        opened.written += request.piece
        if not request.last:
            return ActionMore(request.invoke, request.number)
        method, opened.target = opened.target, None
        return self._act(opened, ActionRequest(request.invoke, method, opened.written))

    def _act(self, opened: Opened, request: ActionRequest) -> ActionAnswer:
        """Only reply_to_HLS_authentication: a collector must not call anything else."""
        if request.method.class_id != 15 or request.method.index != 1 or not opened.ours or request.data is None:
            return ActionAnswer(request.invoke, DENIED)
        proof = axdr.decode(request.data)
        mechanism, secret = opened.access.mechanism, opened.access.secret
        if mechanism == GMAC:
            if opened.keys is None or not isinstance(proof, bytes) or len(proof) != 17:
                return ActionAnswer(request.invoke, DENIED)
            counter = int.from_bytes(proof[1:5], "big")
            wanted = gmac_answer(opened.keys, opened.title, counter, opened.ours)
            ours = gmac_answer(opened.keys, self.title, self._count(), opened.theirs)
        else:
            wanted = challenge_answer(mechanism, secret, opened.ours)
            ours = challenge_answer(mechanism, secret, opened.theirs)
        if not isinstance(proof, bytes) or not hmac.compare_digest(proof, wanted):
            self.refused += 1
            return ActionAnswer(request.invoke, DENIED)
        opened.proved = True
        return ActionAnswer(request.invoke, 0, axdr.octets(ours))
