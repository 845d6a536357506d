"""GPUs of a step: what `gpu=` may say, and the devices that the engine is asked for."""

from __future__ import annotations

from llb.errors import InvalidError, InvalidTypeError
from llb.graph import Device
from llb.image import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.image.build import Build
    from llb.image.step import Step

ANY = "nvidia.com/gpu"
"""By its kind alone, a CDI device name stands for the first one there is."""

_PLUS = {"B200+": ("B200", "B300")}
"""Types that stand for several, the first one preferred."""


def parse_gpu(value: str | list[str] | tuple[str, ...] | None, *, lists: bool = False) -> tuple[str, ...]:
    """What `gpu=` was given: the choices, in order of preference, as `TYPE:COUNT`; none without a GPU.

    With a slash in it, it is the CDI name of a device, and stays as it is.

    Args:
        value: what was given.
        lists: whether it may be a list.

    Raises:
        InvalidTypeError: it is no string.
        InvalidError: the count is none.
    """
    if value is None:
        return ()
    if lists and isinstance(value, list | tuple):
        found = [choice for one in value for choice in _choices(one)]
        return tuple(dict.fromkeys(found))
    return _choices(value)


def _choices(value: object) -> tuple[str, ...]:
    example = 'Write gpu="any", gpu="A100" or gpu="A100:2".'
    if not isinstance(value, str):
        raise InvalidTypeError(
            f"Invalid GPU config: it must be a string, not {arguments.kind(value)}: {arguments.shown(value)}",
            hint=example,
        )
    if value == "":
        return ()
    if "/" in value:
        return (arguments.text("gpu", value, 'gpu="nvidia.com/gpu=0"'),)
    kind, colon, count = arguments.checked("gpu", value).strip().upper().partition(":")
    if colon and not (count.isascii() and count.isdigit() and int(count) > 0):
        raise InvalidError(f"Invalid GPU config {value!r}: {count!r} is not a count of GPUs", hint=example)
    if not kind or any(one.isspace() or one in "=,*" for one in kind):
        raise InvalidError(f"Invalid GPU config {value!r}: {kind!r} is not a type of GPU", hint=example)
    number = int(count) if colon else 1
    # `H100!` is an H100 and nothing better: here, no type ever stands for a better one.
    return tuple([f"{one}:{number}" for one in _PLUS.get(kind, (kind.removesuffix("!"),))])


def device_names(choice: str) -> tuple[str, ...]:
    """The CDI names, or classes, of the devices that a choice needs.

    A class is what the annotation `org.mobyproject.buildkit.device.class` says in the CDI specification of
    the engine's machine: `A100`, and `A100:2` for what is two of them. So the class is in the vertex, not the
    card.
    """
    if "/" in choice:
        return (choice,)
    kind, _, count = choice.partition(":")
    if kind == "ANY":
        return (ANY,) if count == "1" else tuple([f"{ANY}={index}" for index in range(int(count))])
    return (kind if count == "1" else choice,)


def devices(gpu: tuple[str, ...], step: Step, build: Build) -> tuple[Device, ...]:
    """The CDI devices of a step's command.

    Raises:
        UnsupportedError: the engine says what it has, and it has none of these.
    """
    if not gpu:
        return ()
    from llb.image.devices import choose  # most image files have none

    names = device_names(choose(gpu, build))
    build.want_devices(step, names)
    return tuple([Device(name) for name in names])
