"""The command's entry: its group, and what every subcommand shares (how an error is shown, exit codes)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from llb import __version__
from llb.cli._compile import compile_command
from llb.cli._gpu import gpu_command
from llb.cli._output import NobodyReadsError
from llb.cli._volume import volume_command
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="llb")
def cli() -> None:
    """Container images defined in Python, compiled straight to BuildKit's LLB.

    Exit status: 0 done, 1 the image file or a step is wrong, 2 the command line is wrong, 130 interrupted.
    """


cli.add_command(compile_command)
cli.add_command(gpu_command)
cli.add_command(volume_command)


def main() -> None:
    """Runs the command with the process's arguments, and ends the process with its exit status."""
    try:
        status = cli.main(prog_name="llb", standalone_mode=False)
    except LLBError as error:
        show_error(error)
        status = 1
    except click.UsageError as error:
        error.show()
        status = error.exit_code
    except click.ClickException as error:
        show_error(LLBError(error.format_message()))
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = 130
    except NobodyReadsError:
        # Nobody is there to hear of it, nor of what the interpreter would flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 141
    sys.exit(status if isinstance(status, int) else 0)
