"""`llb compile`: an image file to the bytes of its LLB definition."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from llb.image import ImageDefinition


_FILE = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command("compile", short_help="Compile an image file to an LLB definition.")
@click.argument("file", type=_FILE)
@click.option("--target", metavar="NAME", help="Which image of FILE; default: `image`, or the only one.")
@click.option("--platform", metavar="OS/ARCH", help="What to compile for.  [default: linux/amd64]")
@click.option(
    "--bases",
    metavar="F",
    type=_FILE,
    help="JSON with what is known of base images: reference and platform → digest and config.",
)
@click.option(
    "--context",
    metavar="DIR",
    type=_DIRECTORY,
    default=".",
    help="Directory that paths in the chain are relative to.  [default: the working directory]",
)
@click.option(
    "--build-arg",
    "build_args",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value for `llb.build_arg(NAME)`; NAME alone takes it from the environment.",
)
@click.option("--config-out", metavar="F", type=_FILE, help="Write the image config (OCI JSON) here.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["bytes", "text", "json", "dot"]),
    default="bytes",
    show_default=True,
    help="The definition's bytes, or a dump of it to read.",
)
@click.option("-o", "--output", metavar="F", type=_FILE, help="Write here, not to standard output.")
def compile_command(
    file: Path,
    target: str | None,
    platform: str | None,
    bases: Path | None,
    context: Path,
    build_args: tuple[str, ...],
    config_out: Path | None,
    format_: str,
    output: Path | None,
) -> None:
    """Compile FILE to the bytes of an LLB definition, which `buildctl build` takes on standard input.

    Needs no daemon and no network. What only a registry knows of a base image (its digest and its config)
    comes from --bases; without it the base is used by its tag, with the defaults of a Debian image.

    \b
    Examples:
      llb compile image.py | buildctl build --local context=.
      llb compile image.py --target dev --platform linux/arm64 -o dev.llb
      llb compile image.py --bases bases.json --config-out config.json -o image.llb
      llb compile image.py --format text
    """
    if format_ == "bytes" and output is None and sys.stdout.isatty():
        raise click.UsageError(
            "a definition is binary: pipe it to buildctl, name a file with -o, or use --format text"
        )
    definition = _compile(file, target, platform, bases, context, _named_values(build_args))
    if config_out is not None:
        write_atomically(config_out, definition.image_config)
    rendered = _render(definition, format_)
    if output is not None:
        write_atomically(output, rendered)
    else:
        sys.stdout.buffer.write(rendered)
        sys.stdout.buffer.flush()


def _compile(
    file: Path,
    target: str | None,
    platform: str | None,
    bases: Path | None,
    context: Path,
    args: dict[str, str],
) -> ImageDefinition:
    from llb import imagefile
    from llb.image import Bases, LocalDirectory, compile_to_llb

    known = Bases.from_json(_read(bases, "the bases file")) if bases else Bases()
    source = _read(file, "the image file")
    sys.path.insert(0, str(file.parent.resolve()))  # `import mylib` finds what lies beside the image file
    loaded = imagefile.execute(source, str(file), build_args=args)
    _, image = imagefile.pick(loaded, target)
    resolver = LocalDirectory(str(context), bases=known)
    return compile_to_llb(image, platform=platform, resolver=resolver)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"cannot read {what} {str(path)!r}: {error.strerror}") from None


def _render(definition: ImageDefinition, format_: str) -> bytes:
    from llb import graph

    if format_ == "text":
        return graph.dump_text(definition).encode() + b"\n"
    if format_ == "json":
        return json.dumps(graph.dump_json(definition), indent=2).encode() + b"\n"
    if format_ == "dot":
        return graph.dump_dot(definition).encode() + b"\n"
    return definition.to_bytes()


def _named_values(pairs: tuple[str, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if separator:
            values[name] = value
        elif name in os.environ:
            values[name] = os.environ[name]
    return values


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: under a temporary name beside it, then renamed."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise click.ClickException(f"cannot write {str(path)!r}: {error.strerror}") from None
