"""gurux-dlms (GPL, development only) as a foreign client over any pair of write and read functions."""

import contextlib
import io
import math
from collections.abc import Callable
from typing import Any

from gurux_dlms import GXByteBuffer, GXReplyData
from gurux_dlms.enums import Authentication, Conformance, InterfaceType, Security
from gurux_dlms.objects import GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient


class Gurux:
    """Logs in, reads and counts octets. ``read`` gives what has come, at least one octet, or raises."""

    def __init__(
        self,
        write: Callable[[bytes], Any],
        read: Callable[[], bytes],
        *,
        address: int,
        wrapper: bool = False,
        client: int = 32,
        password: bytes | None = b"12345678",
        authentication: Any = None,
    ) -> None:
        self._write, self._read = write, read
        self.octets = 0
        kind = InterfaceType.WRAPPER if wrapper else InterfaceType.HDLC
        how = Authentication.LOW if authentication is None else authentication
        self.client = GXDLMSSecureClient(True, client, address, how, password, kind)
        self.client.proposedConformance |= Conformance.GENERAL_PROTECTION

    def cipher(self, title: bytes, block: bytes, authentication: bytes) -> None:
        ciphering = self.client.ciphering
        ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        ciphering.systemTitle = title
        ciphering.blockCipherKey = block
        ciphering.authenticationKey = authentication

    def open(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            snrm = self.client.snrmRequest()
            if snrm:
                self.client.parseUAResponse(self.exchange(snrm).data)
            self.client.parseAareResponse(self.exchange(self.client.aarqRequest()).data)
            if self.client.authentication > Authentication.LOW:
                for each in self.client.getApplicationAssociationRequest():
                    self.client.parseApplicationAssociationResponse(self.exchange(each).data)

    def register(self, code: str) -> tuple[int, int]:
        """Raw value and scaler."""
        item = GXDLMSRegister(code)
        self._attribute(item, 3)
        scaler = round(math.log10(item.scaler))
        reply = self._attribute(GXDLMSRegister(code), 2, keep=True)
        return reply, scaler

    def text(self, code: str) -> str:
        item = GXDLMSData(code)
        self._attribute(item, 2)
        value = item.value
        return bytes(value).decode() if isinstance(value, (bytes, bytearray)) else str(value)

    def profile(self, code: str) -> list[Any]:
        item = GXDLMSProfileGeneric(code)
        self._attribute(item, 3)
        self._attribute(item, 2)
        return list(item.buffer)

    def rows(self, item: Any, since: Any, until: Any) -> list[Any]:
        """Rows of a profile whose capture objects are known."""
        with contextlib.redirect_stdout(io.StringIO()):
            data = self.client.readRowsByRange(item, since, until)
            self.client.updateValue(item, 2, self.exchange(data).value)
        return list(item.buffer)

    def close(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self.exchange(self.client.disconnectRequest())

    def _attribute(self, item: Any, index: int, keep: bool = False) -> Any:
        with contextlib.redirect_stdout(io.StringIO()):  # it reports every ciphered PDU on stdout
            reply = self.exchange(self.client.read(item, index))
            if not keep:
                self.client.updateValue(item, index, reply.value)
        return reply.value

    def exchange(self, data: Any) -> Any:
        reply = GXReplyData()
        for each in data if isinstance(data, list) else [data]:
            reply.clear()
            self._one(each, reply)
            while reply.isMoreData():
                self._one(self.client.receiverReady(reply), reply)
        if reply.error:
            raise AssertionError(f"gurux-dlms says {reply.getErrorMessage()}")
        return reply

    def _one(self, data: Any, reply: Any) -> None:
        if not data:
            return
        self.octets += len(data)
        self._write(bytes(data))
        buffer = GXByteBuffer()
        notify = GXReplyData()
        while True:
            came = self._read()
            self.octets += len(came)
            buffer.set(came)
            if self.client.getData(buffer, reply, notify):
                return
