"""`llb compile`: an image file to the bytes of its LLB definition."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llb.cli._output import take_stdout, telling, write
from llb.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

    from llb.image import ImageDefinition


_FILE = click.Path(dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_TIMEOUT = "LLB_IMAGE_FILE_TIMEOUT"


@click.command("compile", short_help="Compile an image file to an LLB definition.")
@click.argument("file", type=_FILE, metavar="FILE[:TARGET]")
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
@click.option(
    "--compat/--no-compat",
    default=True,
    help="`import modal` gives a recorder, or what is installed.  [default: compat]",
)
@click.option(
    "--builder-version",
    metavar="VERSION",
    default="",
    help="What debian_slim and its kin mean.  [default: what environment or pyproject.toml say, or 2025.06]",
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
    compat: bool,
    builder_version: str,
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
      llb compile app.py:web | buildctl build --local context=.
    """
    if not file.exists() and ":" in file.name:
        name, _, named = str(file).rpartition(":")
        if target not in (None, named):
            raise click.UsageError(f"--target {target} and {file} name two targets")
        file, target = Path(name), named
    if format_ == "bytes" and output is None and sys.stdout is not None and sys.stdout.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        raise click.UsageError(
            "a definition is binary: pipe it to buildctl, name a file with -o, or use --format text"
        )
    if (
        output is not None
        and config_out is not None
        and os.path.realpath(output) == os.path.realpath(config_out)
    ):
        raise click.UsageError("-o and --config-out name the same file")
    args = _named_values(build_args)
    stdout = take_stdout() if output is None else None
    definition = _compile(file, target, platform, bases, context, args, compat, builder_version)
    rendered = _render(definition, format_)
    if config_out is not None:
        write(config_out, definition.image_config)
    if output is not None:
        write(output, rendered)
    elif stdout is not None:
        with telling("standard output"):
            stdout.write(rendered)
            stdout.flush()


def _compile(
    file: Path,
    target: str | None,
    platform: str | None,
    bases: Path | None,
    context: Path,
    args: dict[str, str],
    compat: bool,
    builder_version: str,
) -> ImageDefinition:
    from llb import imagefile
    from llb.image import Bases, BuildOptions, LocalDirectory, compile_to_llb
    from llb.image.options import FORCE_VARIABLES, is_forced
    from llb.image.recipes import MIRROR_VARIABLE, PYTHON_ARGUMENT, VERSION_VARIABLES

    timeout = _timeout(args)

    class Context(LocalDirectory):
        """The context directory; functions of the image file are called under the same guards as the file."""

        def call(self, function: Callable[[], Any]) -> Any:
            return imagefile.call(function, timeout=timeout)

    known = Bases()
    if bases is not None:
        try:
            known = Bases.from_json(_read(bases, "the bases file"))
        except InvalidError as error:
            raise InvalidError(f"{bases}: {error.message}", hint=error.hint) from None
    source = _read(file, "the image file")
    own_python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    loaded = imagefile.execute(
        source,
        str(file),
        build_args={PYTHON_ARGUMENT: own_python, **args},
        timeout=timeout,
        directory=str(Path.cwd()),
        compat=compat,
    )
    declared = {argument.name for argument in loaded.build_args}
    for name in sorted(
        set(args)
        - declared
        - {_TIMEOUT, PYTHON_ARGUMENT, MIRROR_VARIABLE, *VERSION_VARIABLES, *FORCE_VARIABLES}
    ):
        click.echo(
            f"note: {file} does not use the build argument {name}: llb.build_arg(NAME) reads one", err=True
        )
    _, image = imagefile.pick(loaded, target)
    versions = [builder_version, *[args.get(name, "") for name in VERSION_VARIABLES]]
    options = BuildOptions(
        builder_version=next(filter(None, versions), ""),
        python_version=args.get(PYTHON_ARGUMENT, ""),
        python_build_mirror=args.get(MIRROR_VARIABLE, ""),
        no_cache=is_forced(args),
    )
    resolver = Context(context, bases=known, search=(os.path.dirname(file) or ".", context))
    definition = compile_to_llb(image, platform=platform, resolver=resolver, options=options)
    for login in definition.logins:
        click.echo(
            f"note: the base needs a login to {login.host}; before building: {login.command}", err=True
        )
    for note in definition.notes:
        click.echo(f"note: {note}", err=True)
    for entitlement in definition.entitlements:
        devices = ", ".join([one.name for one in definition.devices])
        click.echo(f"note: build it with --allow {entitlement}: it uses {devices}", err=True)
    if not definition.ops:
        raise InvalidError(
            "the image is empty: there is nothing to build", hint="Add a file or start from a base."
        )
    return definition


def _timeout(args: dict[str, str]) -> float:
    """Seconds that the image file may take, as the frontend container has it too."""
    given = args.get(_TIMEOUT, "")
    try:
        seconds = float(given) if given else 60.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise click.UsageError(f"{_TIMEOUT}={given}: a number of seconds is needed")
    return seconds


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
        if not name:
            raise click.UsageError(f"--build-arg {pair!r} has no name")
        if separator:
            values[name] = value
        elif name in os.environ:
            values[name] = os.environ[name]
    return values
