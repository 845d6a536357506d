"""The command's entry: its group, and what every subcommand shares (how an error is shown, exit codes)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from llb import __version__
from llb.cli._compile import compile_command
from llb.errors import Excerpt, LLBError


def show_error(error: LLBError) -> None:
    """Prints an error on stderr: what is wrong, the user's line with its surroundings, and the way out."""
    label = click.style("error:", fg="red", bold=True)
    step = f"{error.step}: " if error.step and not error.message.startswith(error.step) else ""
    click.echo(f"{label} {step}{error.message}", err=True)
    if error.location is not None:
        path = Path(error.location.filename)
        try:
            text = path.read_text("utf-8", errors="replace")
        except OSError:
            click.echo(f"  at {error.location}", err=True)
        else:
            click.echo(str(Excerpt(_shown(path), text, error.location.line)), err=True)
    if error.hint:
        click.echo(error.hint, err=True)


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class _Group(click.Group):
    """A group whose subcommands may raise `LLBError`: shown without a traceback, exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LLBError as error:
            show_error(error)
            ctx.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="llb")
def cli() -> None:
    """Container images defined in Python, compiled straight to BuildKit's LLB.

    Exit status: 0 done, 1 the image file or a step is wrong, 2 the command line is wrong.
    """


cli.add_command(compile_command)


def main() -> None:
    """Runs the command with the process's arguments."""
    try:
        cli.main(prog_name="llb")
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
