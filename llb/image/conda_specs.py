"""Environment files of conda: what `spec_file` names."""

from __future__ import annotations

import posixpath

from llb.errors import InvalidError, without_credentials
from llb.image import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.image.build import Build

_KINDS = (".yml", ".yaml", ".txt", ".lock")
_FURTHER = ("-r", "--requirement", "-c", "--constraint", "-e", "--editable")
"""What pip, in an environment file, reads more files by."""


def read_spec(build: Build, path: str) -> tuple[str, bytes]:
    """An environment file's name and text, without comment lines.

    Raises:
        LocalFileError: it is missing or cannot be read.
        InvalidError: it is of no known kind, not text, or names further files.
    """
    name = posixpath.basename(path.replace("\\", "/"))
    if not name.endswith(_KINDS):
        raise InvalidError(
            f"micromamba tells environment files apart by their names, and {name} is none of "
            f"{', '.join([f'*{kind}' for kind in _KINDS])}",
            hint="Name it environment.yml, or packages.txt for a list of packages.",
        )
    try:
        text = build.read_local(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path} is not UTF-8 (byte {error.start})", hint="Save it as UTF-8.") from None
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, 1):
        words = line.strip().removeprefix("- ").split()
        option = words[0].strip("\"'").partition("=")[0] if words else ""
        if line.lstrip().startswith("- ") and option in _FURTHER:
            line = arguments.shown(without_credentials(line.strip()))
            raise InvalidError(
                f"{path}:{number} names a further file, which would not be there: {line}",
                hint="Install it with a step of its own: pip_install_from_requirements(…).",
            )
    # A block scalar may hold a line that only looks like a comment.
    if not any(line.rstrip().endswith(("|", ">", "|-", ">-", "|+", ">+")) for line in lines):
        lines = [line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return name, ("\n".join(lines) + "\n").encode()
