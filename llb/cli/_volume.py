"""`llb volume`: what is in volumes."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llb.cli._output import telling
from llb.errors import LLBError
from llb.image.volumes import Volume

if TYPE_CHECKING:
    from llb.client.volumes import Volumes

_UNITS = ("B", "kB", "MB", "GB", "TB")


@click.group("volume", short_help="Volumes: list, fill, read, remove.")
@click.option("--engine", metavar="ADDRESS", help="Which engine.  [default: $BUILDKIT_HOST]")
@click.option("--base", metavar="IMAGE", help="An image with sh, cp, ls and rm.  [default: busybox]")
@click.option(
    "--namespace",
    metavar="NS",
    default="",
    help="What builds put before cache ids (BUILDKIT_CACHE_MOUNT_NS).",
)
@click.pass_context
def volume_command(context: click.Context, engine: str | None, base: str | None, namespace: str) -> None:
    """Volumes of an engine: what Volume.from_name(NAME) is to a build.

    NAME is a volume's name, ENVIRONMENT/NAME, or id:ID for Volume.from_id(ID). Each command is a small build
    with the volume, in an image that has a shell.

    \b
    Examples:
      llb volume ls
      llb volume put weights model.bin /models/
      llb volume get weights /models ./models
    """
    context.obj = (engine, base, namespace)


@contextmanager
def _volumes(context: click.Context) -> Generator[Volumes]:
    from llb.client import connect
    from llb.client.volumes import BASE, Volumes
    from llb.graph.reference import normalize_reference

    engine, base, namespace = context.obj
    with connect(engine) as client:
        image = normalize_reference(base) if base else BASE
        yield Volumes(client, base=image, namespace=namespace)


def _named(name: str) -> Volume:
    try:
        if name.startswith("id:"):
            return Volume.from_id(name.removeprefix("id:"))
        environment, _, last = name.rpartition("/")
        return Volume.from_name(last, environment_name=environment or None)
    except LLBError as error:  # at no line of a file
        raise click.UsageError(f"{error.message}. {error.hint}") from None


@volume_command.command("ls", short_help="List volumes, or what is in one.")
@click.argument("name", required=False)
@click.argument("path", default="/")
@click.pass_context
def list_command(context: click.Context, name: str | None, path: str) -> None:
    """List volumes with their size and age, or what is in a directory of one.

    The engine keeps no list of volumes, but says of each cache mount which it is: all of these are listed.
    BuildKit before 0.13 does not say it.
    """
    with _volumes(context) as volumes, telling("standard output"):
        if name is not None:
            click.echo(volumes.files(_named(name), path), nl=False)
            return
        for one in volumes.list():
            used = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last_used)) if one.last_used else "-"
            state = "in use" if one.in_use else used
            click.echo(f"{one.name or 'id:' + one.id}\t{_amount(one.size)}\t{state}")


@volume_command.command("put", short_help="Copy files into a volume.")
@click.argument("name")
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", default="/")
@click.pass_context
def put_command(context: click.Context, name: str, source: Path, target: str) -> None:
    """Copy the file SOURCE, or what is in the directory SOURCE, to TARGET in a volume; it is made if missing.

    Of a file, TARGET is the new name, or with a final slash the directory that it goes into.
    """
    with _volumes(context) as volumes:
        volumes.put(_named(name), source, target)


@volume_command.command("get", short_help="Copy files out of a volume.")
@click.argument("name")
@click.argument("source")
@click.argument("target", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.pass_context
def get_command(context: click.Context, name: str, source: str, target: Path) -> None:
    """Copy the file SOURCE, or what is in the directory SOURCE, of a volume into the directory TARGET."""
    with _volumes(context) as volumes:
        volumes.get(_named(name), source, target)


@volume_command.command("rm", short_help="Remove a volume, or files of one.")
@click.argument("name")
@click.argument("path", required=False)
@click.pass_context
def remove_command(context: click.Context, name: str, path: str | None) -> None:
    """Remove PATH in a volume; without PATH the volume, with all that is in it."""
    if path is not None and not path.strip("/"):
        raise click.UsageError("to remove the whole volume, leave PATH out")
    with _volumes(context) as volumes:
        volumes.remove(_named(name), path or "")


def _amount(size: float) -> str:
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"
