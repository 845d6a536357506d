"""`llb gpu`: which devices an engine has, and a CDI specification that gives its cards types and counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from llb.cli._output import telling, write
from llb.errors import InvalidError

CLASS = "org.mobyproject.buildkit.device.class"
AUTO_ALLOW = "org.mobyproject.buildkit.device.autoallow"
KIND = "llb/gpu"
_MAKERS = ("NVIDIA", "Tesla", "GeForce", "Quadro")
_FORMS = ("SXM", "PCI", "HBM", "NVL", "BLACKWELL", "SERVER", "WORKSTATION", "EDITION", "GENERATION", "ADA")


@click.group("gpu", short_help="GPUs of an engine.")
def gpu_command() -> None:
    """GPUs of an engine: what it has, and what to tell it."""


@gpu_command.command("ls", short_help="List the devices that steps can have.")
@click.option("--engine", metavar="ADDRESS", help="Which engine.  [default: $BUILDKIT_HOST]")
def list_command(engine: str | None) -> None:
    """List the devices that steps can have: CDI name, class (what gpu="…" asks for), and the grant they need.

    \b
    Example:
      llb gpu ls --engine tcp://127.0.0.1:1234
    """
    from llb.client import connect

    with connect(engine) as client:
        for device in client.devices():
            grant = "allowed" if device.allowed else "needs --allow device"
            click.echo(f"{device.name}\t{device.device_class or '-'}\t{grant}")


@gpu_command.command("spec", short_help="Write a CDI specification with types and counts.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--type",
    "types",
    metavar="NAME=TYPE",
    multiple=True,
    help="The type of a device of FILE, such as 0=A100.  [default: what nvidia-smi says]",
)
@click.option("--auto-allow", is_flag=True, help="Builds may use the devices without --allow device.")
@click.option(
    "-o", "--output", metavar="F", type=click.Path(dir_okay=False, path_type=Path), help="Write here."
)
def spec_command(file: Path, types: tuple[str, ...], auto_allow: bool, output: Path | None) -> None:
    """Write a CDI specification whose devices are "an A100", "two A100", and so on, for gpu="A100:2".

    FILE is what `nvidia-ctk cdi generate --format=json` wrote. It stays as it is; the result goes beside it,
    to /etc/cdi or another directory that the engine reads. Engines see it at once.

    \b
    Example:
      nvidia-ctk cdi generate --format=json --output=/etc/cdi/nvidia.json
      llb gpu spec /etc/cdi/nvidia.json -o /etc/cdi/llb.json
    """
    by_name = _types(types) if types else _installed()
    try:
        found = typed_spec(json.loads(file.read_bytes()), by_name, auto_allow=auto_allow)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidError):
            raise
        raise InvalidError(
            f"{file} is not a CDI specification in JSON",
            hint="Write one with nvidia-ctk cdi generate --format=json --output=FILE.",
        ) from None
    text = json.dumps(found, indent=1) + "\n"
    if output is not None:
        write(output, text.encode())
        return
    with telling("standard output"):
        click.echo(text, nl=False)


def typed_spec(
    given: Mapping[str, Any], types: Mapping[str, Sequence[str]], *, auto_allow: bool = False
) -> dict[str, Any]:
    """The specification of a machine's cards by type and count.

    Args:
        given: the specification of each card.
        types: the types of a card, by the name of its device.
        auto_allow: whether builds need no grant for them.

    Raises:
        InvalidError: no device of it has a type.
    """
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for device in given["devices"]:
        for one in types.get(str(device["name"]), ()):
            by_type.setdefault(one, []).append(device)
    if not by_type:
        names = ", ".join(str(device["name"]) for device in given["devices"])
        raise InvalidError(
            f"none of its devices has a type: {names}", hint="Say which: llb gpu spec FILE --type 0=A100."
        )
    devices: list[dict[str, Any]] = []
    for one, cards in by_type.items():
        for count in range(1, len(cards) + 1):
            name = one if count == 1 else f"{one}:{count}"
            devices.append(
                {
                    "name": name,
                    "annotations": {CLASS: name},
                    "containerEdits": _together([card["containerEdits"] for card in cards[:count]]),
                }
            )
    found: dict[str, Any] = {"cdiVersion": given["cdiVersion"], "kind": KIND, "devices": devices}
    if auto_allow:
        found["annotations"] = {AUTO_ALLOW: "true"}
    if "containerEdits" in given:
        found["containerEdits"] = given["containerEdits"]
    return found


def _together(edits: Sequence[Mapping[str, Sequence[Any]]]) -> dict[str, list[Any]]:
    """What several devices do to a container, each thing once."""
    result: dict[str, list[Any]] = {}
    for edit in edits:
        for kind, entries in edit.items():
            known = result.setdefault(kind, [])
            known += [entry for entry in entries if entry not in known]
    return result


def types_of(model: str) -> tuple[str, ...]:
    """What `gpu=` may call a card, by what nvidia-smi calls it.

    `NVIDIA A100-SXM4-80GB` is an A100-80GB and an A100.
    """
    words = [one for one in model.replace("-", " ").split() if one not in _MAKERS]
    words = [one for one in words if not one.upper().startswith(_FORMS)]
    memory = [one for one in words if one.upper().endswith("GB") and one[:-2].isdigit()]
    plain = "-".join(one for one in words if one not in memory).upper()
    if plain == "A100" and memory:
        return (f"{plain}-{memory[0].upper()}", plain)
    return (plain,)


def _types(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in given:
        name, equals, kind = one.partition("=")
        if not (name and equals and kind):
            raise click.UsageError(f"--type {one} is not NAME=TYPE")
        found[name] = (*found.get(name, ()), kind.upper())
    return found


def _installed() -> dict[str, tuple[str, ...]]:
    """The types of this machine's cards, by index."""
    query = ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"]
    try:
        said = subprocess.run(query, capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        raise InvalidError(
            "nvidia-smi cannot be asked which cards this machine has",
            hint="Say what they are: llb gpu spec FILE --type 0=A100 --type 1=A100.",
        ) from None
    rows = [line.partition(",") for line in said.splitlines() if "," in line]
    return {index.strip(): types_of(model.strip()) for index, _, model in rows}
