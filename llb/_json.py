"""`json.loads` and `json.dumps` for what every build needs, by the interpreter's own C parts.

The `json` package imports `re` and with it `enum`, `functools` and more: about 6 ms that each start of the
frontend container would feel. Whatever is not plain, and every error, is left to it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    make_scanner: Callable[[object], Callable[[str, int], tuple[Any, int]]]
    make_encoder: Callable[..., Callable[[object, int], tuple[str, ...]]]
    encode_basestring: Callable[[str], str]
    encode_basestring_ascii: Callable[[str], str]
else:
    try:
        from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
    except ImportError:  # another Python than CPython
        make_scanner = make_encoder = encode_basestring = encode_basestring_ascii = None

_SPACE = " \t\n\r"


class _Plain:
    """What the scanner asks a decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    array_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012

    @staticmethod
    def parse_constant(name: str) -> object:
        raise ValueError(name)


def loads(data: str | bytes) -> Any:
    """A value from JSON text, or from its UTF-8 bytes.

    Raises:
        ValueError: it is not JSON.
    """
    if make_scanner is not None:
        try:
            text = data if isinstance(data, str) else data.decode()
            text = text.strip(_SPACE)
            value, end = make_scanner(_Plain)(text, 0)
            if end == len(text):
                return value
        except (StopIteration, ValueError):
            pass
    import json

    return json.loads(data)


def dumps(
    value: object,
    *,
    sort_keys: bool = False,
    ensure_ascii: bool = True,
    separators: tuple[str, str] = (", ", ": "),
    indent: int | None = None,
) -> str:
    """JSON text of a value, as `json.dumps` writes it."""
    if make_encoder is None or indent is not None:
        import json

        return json.dumps(
            value, sort_keys=sort_keys, ensure_ascii=ensure_ascii, separators=separators, indent=indent
        )
    encode = encode_basestring_ascii if ensure_ascii else encode_basestring
    item, key = separators
    return "".join(make_encoder({}, _refused, encode, None, key, item, sort_keys, False, True)(value, 0))


def _refused(value: object) -> object:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
