"""Devices of an engine: which of a step's choices it has, and what to tell a user whose GPU it has not."""

from __future__ import annotations

from llb._value import Value
from llb.errors import UnsupportedError
from llb.image.chain import step_of
from llb.image.gpu import device_names
from llb.image.step import steps_of
from llb.location import Location

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llb.image.build import Build
    from llb.image.image import Image

__all__ = [
    "DeviceRequest",
    "EngineDevice",
    "choose",
    "explained",
    "missing",
    "not_allowed",
    "refused_name",
    "uses_devices",
]

ALLOW = "device"
"""The entitlement that a build with devices needs."""

CLASSES = (
    *("T4", "L4", "A10", "A10G", "L40S", "A100", "A100-40GB", "A100-80GB", "RTX-PRO-6000"),
    *("H100", "H200", "B200", "B300"),
)
"""Types of GPU that public code asks for."""

_SETUP = (
    "On the engine's machine, `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.json` names its cards, and "
    "`llb gpu spec /etc/cdi/nvidia.json` gives them types and counts.\n"
    'buildkitd reads /etc/cdi, or what buildkitd.toml says: [cdi] specDirs = ["/etc/cdi"]. '
    'Docker\'s daemon.json needs {"features": {"cdi": true}, "cdi-spec-dirs": ["/etc/cdi"]}.'
)
_GRANT = (
    "Build with --allow device (buildctl build, docker buildx build).\n"
    'If buildkitd refuses that: buildkitd.toml needs insecure-entitlements = ["device"].\n'
    "Docker grants it from Engine 29 on, unless daemon.json says otherwise; for an older one, "
    "`llb gpu spec --auto-allow` writes a specification whose devices need no grant."
)


class EngineDevice(Value):
    """A device of an engine."""

    name: str
    """By which CDI knows it, such as `nvidia.com/gpu=0`."""
    device_class: str = ""
    """What `org.mobyproject.buildkit.device.class` says of it."""
    allowed: bool = False
    """Whether builds may use it that are not allowed to use devices."""

    def __str__(self) -> str:
        return f"{self.name} (class {self.device_class})" if self.device_class else self.name

    def is_meant_by(self, name: str) -> bool:
        """Whether a name in a step stands for it, as BuildKit decides that."""
        kind, _, which = name.partition("=")
        of_kind = "/" in kind and self.name.startswith(f"{kind}=")
        return (of_kind and which in ("", "*")) or name in (self.name, self.device_class)


class DeviceRequest(Value):
    """A device that a build needs."""

    name: str
    """Its CDI name, or its class."""
    location: Location
    """The line of the step that needs it."""
    step: str


def uses_devices(image: Image) -> bool:
    """Whether a step of an image asks for a GPU."""
    return any(step.gpu for step in steps_of(step_of(image)))


def choose(gpu: tuple[str, ...], build: Build) -> str:
    """The first of a step's choices that the engine has.

    Raises:
        UnsupportedError: the engine says what it has, and that is none of them.
    """
    resolver = build.resolver
    engine = resolver.devices()
    if engine is not None:
        for choice in gpu:
            if all(any(one.is_meant_by(name) for one in engine) for name in device_names(choice)):
                return choice
        raise missing(gpu, [str(one) for one in engine])
    if len(gpu) == 1:
        return gpu[0]
    found = resolver.find_devices([name for choice in gpu for name in device_names(choice)])
    if found is None:
        build.note(f"nobody can tell here which GPUs the engine has: of {shown(gpu)}, the first one is taken")
        return gpu[0]
    for choice in gpu:
        if found.issuperset(device_names(choice)):
            return choice
    return gpu[0]  # the engine refuses it


def shown(gpu: Iterable[str]) -> str:
    """Choices as a user writes them."""
    return " or ".join([one.removesuffix(":1").replace("ANY", "any") for one in gpu])


def missing(asked: Sequence[str], have: Sequence[str], **place: str | Location) -> UnsupportedError:
    """The refusal of a GPU that the engine does not have.

    Args:
        asked: the step's choices, or the names of its devices.
        have: what the engine has, as it is to be shown.
        **place: where in the user's code.
    """
    what = shown(asked)
    name = device_names(asked[0])[-1]
    is_device = "/" in name
    kind, counts, _ = name.partition("=" if is_device else ":")
    listed = ", ".join(have)
    if not have:
        text = f"the step asks for the GPU {what}, and the engine has no device"
    elif counts and any(kind in one for one in have):
        text = f"the step asks for the GPU {what}, and the engine has fewer of them: it has {listed}"
    else:
        text = f"the step asks for the GPU {what}, which the engine has not: it has {listed}"
    hint = _SETUP
    if have and not is_device:
        hint += f"\nFor this build alone, --allow device=nvidia.com/gpu=0,alias={name} says which card it is."
    return UnsupportedError(text, hint=hint, **place)  # pyright: ignore[reportArgumentType]


def not_allowed(asked: Sequence[str], devices: str, **place: str | Location) -> UnsupportedError:
    """The refusal of a GPU that the engine has, and that the build may not use."""
    text = f"the step asks for the GPU {shown(asked)}, and this build is not allowed to use {devices}"
    return UnsupportedError(text, hint=_GRANT, **place)  # pyright: ignore[reportArgumentType]


def explained(
    message: str, requests: Sequence[DeviceRequest], have: Sequence[str]
) -> UnsupportedError | None:
    """The engine's refusal of a build's devices, in words that help; None if it says something else.

    Args:
        message: the engine's.
        requests: what the build needs.
        have: what the engine has, as far as it is known.
    """
    name = refused_name(message)
    if name:
        asked = next((one for one in requests if one.name == name), None)
        place = {"location": asked.location, "step": asked.step} if asked is not None else {}
        return missing([name], have, **place)
    if not requests:
        return None
    names, (first, *_) = [one.name for one in requests], requests
    if "granting entitlement device is not allowed" in message:
        return not_allowed(names, "devices", location=first.location, step=first.step)
    for words in (
        " is requested by the build but not allowed",
        " are requested by the build but not allowed",
    ):
        before, found, _ = message.partition(words)
        if found:
            devices = before.rpartition("device")[2].removeprefix("s").strip()
            return not_allowed(names, devices, location=first.location, step=first.step)
    return None


def refused_name(message: str) -> str:
    """The device that the engine says it does not have; empty if it says something else."""
    return message.partition('required device "')[2].partition('" is not registered')[0]
