"""GPUs of a step: what `gpu=` may say, and the devices that the engine is asked for."""

from __future__ import annotations

from llb.errors import InvalidError, InvalidTypeError, UnsupportedError
from llb.graph import Device
from llb.image import arguments

_ANY = "nvidia.com/gpu"
"""By its kind alone, a CDI device name stands for the first one there is."""


def parse_gpu(value: str | None) -> str:
    """What `gpu=` was given, as `TYPE:COUNT`; empty for none.

    Raises:
        InvalidTypeError: it is no string.
        InvalidError: the count is none.
    """
    if value is None or value == "":
        return ""
    example = 'Write gpu="any", gpu="A100" or gpu="A100:2".'
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTypeError(
            f"Invalid GPU config: it must be a string, not {arguments.kind(value)}: {arguments.shown(value)}",
            hint=example,
        )
    kind, colon, count = arguments.checked("gpu", value).upper().partition(":")
    if colon and not (count.isascii() and count.isdigit() and int(count) > 0):
        raise InvalidError(f"Invalid GPU config {value!r}: {count!r} is not a count of GPUs", hint=example)
    return f"{kind}:{int(count) if colon else 1}"


def devices(gpu: str) -> tuple[Device, ...]:
    """The CDI devices of a step. A type is asked for by its class
    (`org.mobyproject.buildkit.device.class` in the CDI specification of the engine's machine).

    Raises:
        UnsupportedError: more than one GPU is wanted.
    """
    if not gpu:
        return ()
    kind, _, count = gpu.partition(":")
    if count != "1":
        raise UnsupportedError(f"a build step cannot have {count} GPUs yet", hint="Ask for one.")
    return (Device(_ANY if kind == "ANY" else kind),)
