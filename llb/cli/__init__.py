"""The `llb` command."""

from llb.cli._main import main

__all__ = ["main"]
