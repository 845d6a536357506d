"""Texts that Go's standard library would have written: JSON lists, IP addresses, octal modes."""

from __future__ import annotations

from llb.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = {
    **{chr(code): f"\\u{code:04x}" for code in (*range(0x20), 0x2028, 0x2029, *map(ord, "<>&"))},
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}


def json_list(values: Iterable[str]) -> str:
    """A JSON array of strings: no spaces, `<`, `>` and `&` escaped."""
    return "[" + ",".join(['"' + _escape(value) + '"' for value in values]) + "]"


def _escape(text: str) -> str:
    for character in text:
        if character in _ESCAPES:
            return "".join([_ESCAPES.get(one, one) for one in text])
    return text


def ip_address(text: str) -> str:
    """An IP address in its canonical form.

    Raises:
        InvalidError: not an address.
    """
    parts = text.split(".")
    if len(parts) == 4 and all(
        part.isascii() and part.isdigit() and int(part) < 256 and str(int(part)) == part for part in parts
    ):
        return text
    import ipaddress

    try:
        address = ipaddress.IPv6Address(text.replace("%", "zone"))  # Go's addresses have no zone
    except ValueError:
        raise InvalidError(
            f"{text!r} is not an IP address", hint='Write it as "10.0.0.1" or "fe80::1".'
        ) from None
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(address)
