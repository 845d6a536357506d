"""Calls the function, and tells what went wrong in the user's own terms. Runs inside the step."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress

from .rebuilding import Rebuilt
from .syntax import TooNewError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HOME = "/dev/.llb"
"""Where the step finds these files and its payload: in the container's own tmpfs, which no layer knows of."""
_PACKAGES = {
    "Crypto": "pycryptodome",
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "git": "gitpython",
    "google": "protobuf",
    "jwt": "pyjwt",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}


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
        _explain(error, rebuilt, payload)
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


def _explain(error: BaseException, rebuilt: Rebuilt, payload: Any) -> None:
    """Prints an exception with the user's own lines, and what may be done about it."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    try:
        told = traceback.TracebackException.from_exception(error)
        _only_theirs(told, rebuilt.files, set())
        text = "".join(told.format())
    except Exception:  # noqa: BLE001 - an exception of the user's whose own str() fails
        text = type(error).__name__ + "\n"
    sys.stderr.write(text)
    if isinstance(error, ImportError) and error.name and isinstance(error, ModuleNotFoundError):
        say(_missing(error.name, payload))
    elif isinstance(error, NameError):
        for name, kind in sorted(payload.get("skipped", {}).items()):
            if f"'{name}'" in str(error):
                say(f"{name} was not taken along: it is {kind}. Make it inside the function.")
    elif isinstance(error, MemoryError):
        say("it ran out of memory; memory= allows it more")
    sys.stderr.flush()


def _missing(name: str, payload: Any) -> str:
    """What to do about a module that is not there."""
    top = name.split(".")[0]
    if top in payload["beside"]:
        return f"{top} lies beside the image file: include_source=True takes it along"
    if top == "llb":
        return "llb is not in the image: take what makes images out of what the function uses"
    if top in getattr(sys, "stdlib_module_names", ()):
        return f"{top} belongs to the standard library, but the image's Python comes without it"
    package = _PACKAGES.get(top, top)
    return f'the image has no module {top}. Add its package before run_function: .pip_install("{package}")'


def _only_theirs(told: Any, files: set[str], seen: set[int]) -> None:
    """Leaves on a traceback the user's own lines; of others only the last one, where it was raised."""
    if told is None or id(told) in seen:
        return
    seen.add(id(told))
    stack = list(told.stack)
    kept = [
        frame
        for number, frame in enumerate(stack)
        if frame.filename in files
        or (number == len(stack) - 1 and not frame.filename.startswith((HOME, "<string>", "<frozen")))
    ]
    told.stack[:] = kept
    for other in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        _only_theirs(other, files, seen)
