"""Tells how a function failed, in the user's own terms. Inside the step, and loaded only then."""

from __future__ import annotations

import os
import sys

from .rebuilding import LINES, standard
from .running import HOME, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .rebuilding import Rebuilt

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


def explain(error: BaseException, rebuilt: Rebuilt, payload: Any) -> None:
    """Prints an exception with the user's own lines, and what may be done about it."""
    try:  # noqa: SIM105 - `contextlib` takes a while to load
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass  # closed, or another thing by now
    try:
        traceback = standard("traceback")
        told = traceback.TracebackException.from_exception(error)
        _only_theirs(told, rebuilt.files, set())
        text = "".join(told.format())
    except Exception:  # noqa: BLE001 - an exception of the user's whose own str() fails; or Python is gone
        text = _plainly(error, rebuilt.files)
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


def _plainly(error: BaseException, files: set[str]) -> str:
    """A traceback without Python's own files."""
    lines: list[str] = []
    at = error.__traceback__
    while at is not None:
        file, function = at.tb_frame.f_code.co_filename, at.tb_frame.f_code.co_name
        if file in files:
            lines.append(f'  File "{file}", line {at.tb_lineno}, in {function}\n')
            source = LINES.get(file, [])[at.tb_lineno - 1 : at.tb_lineno]
            lines += [f"    {line.strip()}\n" for line in source]
        at = at.tb_next
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the user's
        text = ""
    end = type(error).__name__ + (f": {text}" if text else "") + "\n"
    return "".join(["Traceback (most recent call last):\n", *lines, end] if lines else [end])


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


def named(number: int) -> str:
    """The name of a signal, as a remark. Python's own files, such as `signal`, may be gone by now."""
    known = vars(sys.modules["_signal"])
    for name in sorted(known):
        if name.startswith("SIG") and not name.startswith("SIG_") and known[name] == number:
            return f" ({name})"
    return ""


def where(dump: int, settings: Any) -> str:
    """Where the function was, by what `faulthandler` wrote."""
    os.set_blocking(dump, False)
    try:
        text = os.read(dump, 1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""
    files = {about[0] for about in settings.get("sources", {}).values()}
    for line in text.splitlines():
        file, separator, rest = line.strip().partition('", line ')
        file = file[len('File "') :]
        if separator and (file in files or file.startswith("<")) and not file.startswith("<frozen"):
            number, _, function = rest.partition(" in ")
            return f"\nIt was at {file}:{number}, in {function}"
    return ""
