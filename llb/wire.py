"""The protobuf wire format, as far as LLB and the gateway need it: writers for fields, one reader.

Definitions are hashed, so their bytes are ours to decide: BuildKit's Go marshaller writes the members of a
oneof last, protobuf's Python runtime writes them in field order, and a vertex digest depends on it. And the
frontend container feels every import: protobuf costs about 45 ms there (docs/architecture.md). So ops and
gateway messages are written with these few functions; `llb/pb` is the oracle that the tests hold them
against.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Field = int | bytes
    """A decoded field: an integer (wire type 0), or the bytes of types 1, 2 and 5."""


def _encode_varint(value: int) -> bytes:
    if value < 0:
        value += 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Varints(dict[int, bytes]):
    """Varints of the small numbers met so far: lengths mostly, and -1; those repeat."""

    def __missing__(self, value: int) -> bytes:
        encoded = _encode_varint(value)
        if -1 <= value < 1 << 14:
            self[value] = encoded
        return encoded


VARINTS = _Varints()
"""`VARINTS[n]` is `varint(n)`, for loops that feel a call."""


def varint(value: int) -> bytes:
    """An integer as a varint; negative ones as 64-bit two's complement (10 bytes), as int32 and int64 do."""
    return VARINTS[value]


def integer(number: int, value: int) -> bytes:
    """An int, bool or enum field; nothing if it has its default, 0."""
    return VARINTS[number << 3] + VARINTS[value] if value else b""


def present_integer(number: int, value: int) -> bytes:
    """An int field with presence (a member of a oneof, or `optional`): written even if 0."""
    return VARINTS[number << 3] + VARINTS[value]


def message(number: int, value: bytes) -> bytes:
    """A message field, or bytes with presence: written even if empty."""
    return VARINTS[number << 3 | 2] + VARINTS[len(value)] + value


def data(number: int, value: bytes) -> bytes:
    """A bytes field; nothing if it is empty."""
    return message(number, value) if value else b""


def string(number: int, value: str) -> bytes:
    """A string field; nothing if it is empty."""
    return message(number, value.encode()) if value else b""


def strings(number: int, values: Iterable[str]) -> bytes:
    """A repeated string field: each entry is written, empty ones too."""
    return b"".join([message(number, value.encode()) for value in values])


def mapping(number: int, values: Mapping[str, str | bytes]) -> bytes:
    """A `map<string, string>`, `map<string, bytes>` or map of encoded messages, sorted bytewise by key."""
    entries = sorted(
        (key.encode(), value.encode() if isinstance(value, str) else value) for key, value in values.items()
    )
    return b"".join([message(number, message(1, key) + message(2, value)) for key, value in entries])


class WireError(ValueError):
    """Bytes that are not a protobuf message."""


def read_varint(buffer: bytes, at: int) -> tuple[int, int]:
    """A varint at a place of a message, and the place behind it."""
    value = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
        if shift > 63:
            raise WireError("a varint of more than 10 bytes")


def fields(buffer: bytes) -> dict[int, list[Field]]:
    """The fields of a message by number, each with all its occurrences in order.

    Raises:
        WireError: the bytes are truncated or malformed.
    """
    found: dict[int, list[Field]] = {}
    at, end = 0, len(buffer)
    try:
        while at < end:
            key = buffer[at]
            at += 1
            if key > 0x7F:
                key, at = read_varint(buffer, at - 1)
            kind = key & 7
            value: Field
            if kind == 2:
                size = buffer[at]
                at += 1
                if size > 0x7F:
                    size, at = read_varint(buffer, at - 1)
                value = buffer[at : at + size]
                at += size
            elif kind == 0:
                value, at = read_varint(buffer, at)
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
                value = buffer[at : at + size]
                at += size
            else:
                raise WireError(f"wire type {kind}")
            number = key >> 3
            if number in found:
                found[number].append(value)
            elif 0 < number < 1 << 29:
                found[number] = [value]
            else:
                raise WireError(f"field number {number}")
    except IndexError:
        raise WireError("a message that ends within a field") from None
    if at > end:
        raise WireError("a field longer than its message")
    return found


class Reader:
    """Typed access to the fields of one message; absent fields read as their proto3 default."""

    __slots__ = ("_fields",)

    def __init__(self, buffer: bytes) -> None:
        self._fields = fields(buffer)

    def has(self, number: int) -> bool:
        return number in self._fields

    def raw(self) -> Mapping[int, list[Field]]:
        """All fields by number."""
        return self._fields

    def integer(self, number: int) -> int:
        """The last value of an int, bool or enum field, as signed 64 bit."""
        value = self._fields.get(number, _ZERO)[-1]
        if not isinstance(value, int):
            raise WireError(f"field {number} is not an integer")
        return value - (1 << 64) if value >> 63 else value

    def data(self, number: int) -> bytes:
        value = self._fields.get(number, _EMPTY)[-1]
        if not isinstance(value, bytes):
            raise WireError(f"field {number} is not bytes")
        return value

    def string(self, number: int) -> str:
        """Raises UnicodeDecodeError (a ValueError, as WireError is) if it is not UTF-8."""
        return self.data(number).decode()

    def message(self, number: int) -> Reader:
        return Reader(self.data(number))

    def all_data(self, number: int) -> list[bytes]:
        values = self._fields.get(number, [])
        return [value for value in values if isinstance(value, bytes)]

    def strings(self, number: int) -> list[str]:
        return [value.decode() for value in self.all_data(number)]

    def messages(self, number: int) -> list[Reader]:
        return [Reader(value) for value in self.all_data(number)]

    def integers(self, number: int) -> list[int]:
        """A repeated integer field, packed or not."""
        out: list[int] = []
        for value in self._fields.get(number, []):
            if isinstance(value, int):
                out.append(value)
                continue
            at = 0
            try:
                while at < len(value):
                    one, at = read_varint(value, at)
                    out.append(one)
            except IndexError:
                raise WireError(f"field {number} ends within an integer") from None
        return [value - (1 << 64) if value >> 63 else value for value in out]

    def mapping(self, number: int) -> dict[str, bytes]:
        """A map with string keys; values are strings' or messages' bytes."""
        entries = self.messages(number)
        return {entry.string(1): entry.data(2) for entry in entries}


_ZERO: list[Field] = [0]
_EMPTY: list[Field] = [b""]
