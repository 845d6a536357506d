"""GPUs: what `gpu=` says, and which devices a step asks for."""

from __future__ import annotations

from typing import Any

import pytest

from llb import Image, compile_to_llb
from llb.errors import InvalidError, InvalidTypeError, UnsupportedError
from llb.image import ImageDefinition, Resolver
from llb.image.devices import DeviceRequest, EngineDevice, choose, explained
from llb.image.gpu import parse_gpu
from llb.location import Location
from llb.pb import ops_pb2 as pb

BASE = Image.from_registry("busybox:latest")
LOOSE: Any = BASE
CARDS = (
    EngineDevice("nvidia.com/gpu=0"),
    EngineDevice("nvidia.com/gpu=1"),
    EngineDevice("llb/gpu=A100", "A100"),
    EngineDevice("llb/gpu=A100:2", "A100:2"),
    EngineDevice("llb/gpu=B300", "B300"),
)


class Engine(Resolver):
    """An engine that lists its devices."""

    def __init__(self, *devices: EngineDevice) -> None:
        self._devices = devices

    def devices(self) -> tuple[EngineDevice, ...] | None:
        return self._devices


class Asked(Resolver):
    """One that can only be asked for single devices."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)

    def find_devices(self, names: Any) -> frozenset[str] | None:
        return self.names & set(names)


def build(gpu: str, resolver: Resolver | None = None) -> ImageDefinition:
    return compile_to_llb(BASE.run_commands("true", gpu=gpu), resolver=resolver)


def asked(definition: ImageDefinition) -> list[str]:
    ops = [pb.Op.FromString(op) for op in definition.ops]
    return [device.name for op in ops for device in op.exec.cdiDevices]


@pytest.mark.parametrize(
    ("gpu", "choices"),
    [
        (None, ()),
        ("", ()),
        ("a100", ("A100:1",)),
        ("A100:2", ("A100:2",)),
        ("A100:02", ("A100:2",)),
        ("H100!", ("H100:1",)),
        ("H100!:8", ("H100:8",)),
        ("B200+", ("B200:1", "B300:1")),
        ("B200+:4", ("B200:4", "B300:4")),
        ("any", ("ANY:1",)),
        ("A100-80GB:2", ("A100-80GB:2",)),
        ("nvidia.com/gpu=mig1:0", ("nvidia.com/gpu=mig1:0",)),
    ],
)
def test_what_gpu_says(gpu: str | None, choices: tuple[str, ...]) -> None:
    assert parse_gpu(gpu) == choices


def test_a_list_is_an_order_of_preference() -> None:
    assert parse_gpu(["H100", "any:2", "H100"], lists=True) == ("H100:1", "ANY:2")
    assert parse_gpu([], lists=True) == ()


@pytest.mark.parametrize(
    ("gpu", "kind", "said"),
    [
        (["any"], InvalidTypeError, "it must be a string, not list"),
        (1, InvalidTypeError, "it must be a string, not int"),
        ("A100:x", InvalidError, "'X' is not a count of GPUs"),
        ("A100:0", InvalidError, "'0' is not a count of GPUs"),
        ("A100:-1", InvalidError, "'-1' is not a count of GPUs"),
        ("A100:2:3", InvalidError, "'2:3' is not a count of GPUs"),
        ("A100:", InvalidError, "'' is not a count of GPUs"),
        (":2", InvalidError, "'' is not a type of GPU"),
        ("A100, H100", InvalidError, "is not a type of GPU"),
        ("A100=1", InvalidError, "is not a type of GPU"),
    ],
)
def test_what_gpu_cannot_say(gpu: Any, kind: type[InvalidError], said: str) -> None:
    with pytest.raises(kind) as caught:
        LOOSE.run_commands("true", gpu=gpu)
    assert "Invalid GPU config" in str(caught.value)
    assert said in str(caught.value)
    assert 'Write gpu="any"' in str(caught.value)


@pytest.mark.parametrize(
    ("gpu", "names"),
    [
        ("A100", ["A100"]),
        ("A100:2", ["A100:2"]),
        ("any", ["nvidia.com/gpu"]),
        ("any:2", ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]),
        ("nvidia.com/gpu=all", ["nvidia.com/gpu=all"]),
        ("B200+", ["B200"]),
    ],
)
def test_a_step_asks_for_the_class_not_for_a_card(gpu: str, names: list[str]) -> None:
    definition = build(gpu)
    assert asked(definition) == names
    assert definition.entitlements == ("device",)
    assert [one.name for one in definition.devices] == names


def test_without_a_gpu_nothing_needs_to_be_allowed() -> None:
    assert build("").entitlements == ()


def test_which_engine_it_is_makes_no_other_step() -> None:
    assert build("A100:2").digest == build("A100:2", Engine(*CARDS)).digest
    assert build("A100:2").digest == build("A100:2", Asked()).digest


def test_of_several_the_first_is_taken_that_there_is() -> None:
    assert asked(build("B200+", Engine(*CARDS))) == ["B300"]
    assert asked(build("B200+", Asked("B300"))) == ["B300"]
    assert asked(build("B200+", Asked("B300", "B200"))) == ["B200"]
    assert asked(build("B200+", Asked())) == ["B200"]  # the engine refuses it


def test_where_nobody_knows_the_first_is_taken_and_said() -> None:
    assert build("B200+").notes == (
        "nobody can tell here which GPUs the engine has: of B200 or B300, the first one is taken",
    )


def test_all_devices_of_a_choice_must_be_there() -> None:
    class Both(Engine):
        notes: Any = ()

        @property
        def resolver(self) -> Resolver:
            return self

    both: Any = Both(*CARDS)
    assert choose(("ANY:3", "ANY:2"), both) == "ANY:2"


@pytest.mark.parametrize(
    ("gpu", "engine", "said"),
    [
        ("A100", (), "the step asks for the GPU A100, and the engine has no device"),
        (
            "T4",
            CARDS[1:3],
            "the GPU T4, which the engine has not: it has nvidia.com/gpu=1, llb/gpu=A100 (class A100)",
        ),
        ("A100:4", CARDS, "the GPU A100:4, and the engine has fewer of them: it has nvidia.com/gpu=0, "),
        ("any:4", CARDS[:2], "the GPU any:4, and the engine has fewer of them"),
        ("any", CARDS[2:], "the GPU any, which the engine has not"),
        ("B200+", CARDS[:1], "the GPU B200 or B300, which the engine has not"),
    ],
)
def test_a_refusal_says_what_was_asked_what_there_is_and_what_to_do(
    gpu: str, engine: tuple[EngineDevice, ...], said: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        build(gpu, Engine(*engine))
    text = str(caught.value)
    assert said in text
    for part in ("nvidia-ctk cdi generate", "llb gpu spec", "specDirs", "cdi-spec-dirs", __file__):
        assert part in text


REQUESTS = (
    DeviceRequest("A100:2", Location("image.py", 3), "run_commands"),
    DeviceRequest("nvidia.com/gpu=1", Location("image.py", 4), "pip_install"),
)


def test_the_engines_words_become_ours_at_the_line_of_the_step() -> None:
    message = 'process "x" failed: CDI device injection failed: required device "nvidia.com/gpu=1" is not registered'
    error = explained(message, REQUESTS, ["nvidia.com/gpu=0"])
    assert error is not None
    assert (error.location, error.step) == (Location("image.py", 4), "pip_install")
    assert "the engine has fewer of them: it has nvidia.com/gpu=0" in error.message


def test_a_build_that_is_not_allowed_is_told_flag_and_settings() -> None:
    message = "failed to load LLB: devices llb/gpu=a, llb/gpu=b are requested by the build but not allowed"
    error = explained(message, REQUESTS[:1], [])
    assert error is not None
    assert error.message.endswith("this build is not allowed to use llb/gpu=a, llb/gpu=b")
    for part in ("--allow device", "insecure-entitlements", "Engine 29", "--auto-allow"):
        assert part in error.hint


def test_other_errors_stay_what_they_are() -> None:
    assert explained("exit code: 1", REQUESTS, []) is None
