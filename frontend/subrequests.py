"""Questions about an image file, instead of a build: `docker build --call`.

Source: https://github.com/moby/buildkit/tree/v0.32.2/frontend/subrequests (formats of the answers)
"""

from __future__ import annotations

import json

from llb.gateway import Result
from llb.image.secrets import secrets_of
from llb.imagefile import pick

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from frontend.loading import Loaded
    from frontend.options import Options
    from llb.imagefile import ImageFile
    from llb.location import Location

DESCRIBE = "frontend.subrequests.describe"
OUTLINE = "frontend.outline"
TARGETS = "frontend.targets"
KNOWN = (OUTLINE, TARGETS, DESCRIBE)

_VERSION = "1.0.0"
_METADATA = [{"name": "result.json", "description": ""}, {"name": "result.txt", "description": ""}]


def describe() -> Result:
    """Which questions are answered."""
    target = {"name": "target", "description": "Image of the file"}
    requests = [
        _request(OUTLINE, "List all parameters current build target supports", [target]),
        _request(TARGETS, "List all targets current build supports", []),
        _request(DESCRIBE, "List available subrequest types", None),
    ]
    rows = [("NAME", "VERSION", "DESCRIPTION")]
    rows += [(one["name"].removeprefix("frontend."), _VERSION, one["description"]) for one in requests]
    return _result(requests, _table(rows))


def _request(name: str, description: str, options: list[dict[str, str]] | None) -> dict[str, Any]:
    return {
        "name": name,
        "version": _VERSION,
        "type": "rpc",
        "description": description,
        "opts": options,
        "inputs": None,
        "metadata": _METADATA,
        "refs": None,
    }


def targets(file: ImageFile, loaded: Loaded) -> Result:
    """The images of a file."""
    from llb.errors import TargetError
    from llb.image.chain import step_of

    try:
        default = pick(file)[0]
    except TargetError:
        default = ""
    found: list[dict[str, Any]] = []
    rows = [("TARGET", "DESCRIPTION")]
    for name, image in file.targets.items():
        description = _comment_above(loaded.data, name)
        entry: dict[str, Any] = {"name": name}
        if name == default:
            entry["default"] = True
        if description:
            entry["description"] = description
        location = step_of(image).location
        if location.filename == loaded.filename:
            entry["location"] = _location(location)
        found.append(entry)
        rows.append((f"{name} (default)" if name == default else name, description))
    return _result({"targets": found, "sources": [_base64(loaded.data)]}, _table(rows))


def outline(file: ImageFile, loaded: Loaded, options: Options) -> Result:
    """What a target can be given: build arguments and secrets."""
    name, image = pick(file, options.target)
    description = _comment_above(loaded.data, name)
    arguments: list[dict[str, Any]] = []
    rows = [("BUILD ARG", "VALUE", "DESCRIPTION")]
    for argument in file.build_args:
        entry: dict[str, Any] = {"name": argument.name}
        if argument.description:
            entry["description"] = argument.description
        if argument.value:
            entry["value"] = argument.value
        if argument.location.filename == loaded.filename:
            entry["location"] = _location(argument.location)
        arguments.append(entry)
        rows.append((argument.name, argument.value or "", argument.description))
    document: dict[str, Any] = {"name": name}
    text = f"TARGET: {name}\n"
    if description:
        document["description"] = description
        text += f"DESCRIPTION: {description}\n"
    text += "\n"
    if arguments:
        document["args"] = arguments
        text += _table(rows, 3) + "\n"
    secrets = secrets_of(image)
    if secrets:
        document["secrets"] = [{"name": key, "required": True} for key in secrets]
        text += _table([("SECRET", "REQUIRED"), *[(key, "true") for key in secrets]], 3) + "\n"
    document["sources"] = [_base64(loaded.data)]
    return _result(document, text)


def _location(location: Location) -> dict[str, Any]:
    line = {"line": location.line}
    return {"ranges": [{"start": line, "end": line}]}


def _comment_above(data: bytes, name: str) -> str:
    """The comment right above a module-level assignment, as description of what is assigned."""
    lines = data.decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines):
        if line.startswith(name) and line[len(name) :].lstrip(" ").startswith(("=", ":")):
            comment: list[str] = []
            while number and lines[number - 1].startswith("#"):
                number -= 1
                comment.insert(0, lines[number].lstrip("#").strip())
            text = " ".join(comment)
            return "" if text.startswith(("syntax=", "!", "-*-")) else text
    return ""


def _base64(data: bytes) -> str:
    from binascii import b2a_base64

    return b2a_base64(data, newline=False).decode()


def _table(rows: Sequence[tuple[str, ...]], gap: int = 1) -> str:
    widths = [max(len(row[column]) for row in rows) + gap for column in range(len(rows[0]) - 1)]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + row[-1] + "\n"
        for row in rows
    )


def _result(document: object, text: str) -> Result:
    encoded = json.dumps(document, indent=2, ensure_ascii=False).encode()
    return Result(
        metadata=(("result.json", encoded), ("result.txt", text.encode()), ("version", _VERSION.encode()))
    )
