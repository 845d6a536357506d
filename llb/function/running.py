"""Calls the function, and tells what went wrong in the user's own terms. Runs inside the step."""

from __future__ import annotations

import os
import sys

from .rebuilding import Rebuilt
from .syntax import TooNewError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HOME = "/dev/.llb"
"""Where the step finds these files and its payload: in the container's own tmpfs, which no layer knows of."""


def say(text: str) -> None:
    sys.stderr.write(f"run_function: {text}\n")
    sys.stderr.flush()


def run(payload: Any, settings: Any) -> None:
    """Rebuilds the function and calls it; ends the process as the function ends."""
    rebuilt = Rebuilt(payload, settings.get("sources", {}))
    try:
        function, args, kwargs = rebuilt.call()
        _limit(settings)
        result = function(*args, **kwargs)
        if hasattr(result, "__await__"):
            import asyncio

            asyncio.run(_awaited(result))
    except TooNewError as error:
        here = ".".join([str(number) for number in sys.version_info[:2]])
        say(f"{payload['name']} uses {error}; the image has Python {here}")
        sys.exit(1)
    except SystemExit as error:
        if error.code not in (None, 0) and not isinstance(error.code, int):
            sys.stderr.write(f"{error.code}\n")
            sys.exit(1)
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's code does
        from .explaining import explain

        explain(error, rebuilt, payload)
        sys.exit(1)


async def _awaited(result: Any) -> None:
    await result


def _limit(settings: Any) -> None:
    """Limits this process, where the engine does not limit its container."""
    cores = settings.get("cores")
    if cores and hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, usable[: max(1, cores)])
    memory = settings.get("memory")
    if memory:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
