"""Requirement files: what they ask for, with all that they include, without what is only for readers."""

from __future__ import annotations

import posixpath

from llb.errors import InvalidError, LocalFileError, without_credentials
from llb.image.arguments import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llb.image.build import Build

    Origin = tuple[str, int]
    """A file, and a line of it."""
    Place = tuple[str, str]
    """A file as a local source serves it."""
    Above = tuple[tuple[str, Place], ...]
    """The files that include a file, with their places."""

_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_INCLUDES = {"-r": False, "--requirement": False, "--requirements": False, "-c": True, "--constraint": True}
_EDITABLE = ("-e", "--editable")
_PLACES = ("-f", "--find-links")
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz")
_ADVICE = (
    "Add it to the image before, with add_local_dir(…, copy=True), and name its absolute path there; "
    "or install it with run_commands."
)


def read_requirements(build: Build, paths: Sequence[str]) -> tuple[tuple[str, bytes], ...]:
    """What requirement files ask for, as files for pip or uv: `requirements.txt`, perhaps `constraints.txt`.

    Raises:
        LocalFileError: a file is missing or cannot be read.
        InvalidError: a file includes itself, is not text, or asks for what is not in the image.
    """
    reader = _Reader(build)
    for path in paths:
        reader.read(path, constraints=False, above=(), origin=None)
    options = list(dict.fromkeys(reader.options))
    files: list[tuple[str, bytes]] = []
    if reader.constraints:
        options.append("-c constraints.txt")
        files.append(("constraints.txt", _text(sorted(set(reader.constraints)))))
    return (("requirements.txt", _text([*options, *sorted(set(reader.requirements))])), *files)


def _text(lines: Sequence[str]) -> bytes:
    return "".join([f"{line}\n" for line in lines]).encode()


class _Reader:
    """Collects what files ask for; each file is read once."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.options: list[str] = []
        self.requirements: list[str] = []
        self.constraints: list[str] = []
        self._done: set[tuple[Place, bool]] = set()

    def read(
        self,
        path: str,
        *,
        constraints: bool,
        above: Above,
        origin: Origin | None,
    ) -> None:
        """Take in a file.

        Args:
            path: as the user wrote it, or relative to the build's context.
            constraints: it says which versions are allowed, not what is wanted.
            above: the files that include it.
            origin: the line that includes it.
        """
        if path.lower().endswith((".toml", ".py", ".cfg")):
            raise InvalidError(
                f"{path} is no requirements file",
                hint="pip_install_from_pyproject and uv_sync install what a project depends on.",
            )
        try:
            place = self.build.locate(path, directory=False)
            if place in [other for _, other in above]:
                names = [name for name, _ in above] + [path]
                raise InvalidError(
                    f"the requirements file {path} includes itself: {' → '.join(names)}",
                    hint="Take one of these lines out.",
                )
            if (place, constraints) in self._done:
                return
            data = self.build.read_local(path)
        except LocalFileError as error:
            if origin is not None:
                error.message += f" ({origin[0]}, line {origin[1]} includes it)"
            raise
        self._done.add((place, constraints))
        for number, line in _lines(_decoded(path, data)):
            self._take(line, (path, number), constraints, (*above, (path, place)))

    def _take(self, line: str, origin: Origin, constraints: bool, above: Above) -> None:
        if not line.startswith("-"):
            _refuse_local(line, line, origin)
            (self.constraints if constraints else self.requirements).append(line)
            return
        option, value = _option(line, origin)
        if option in _INCLUDES:
            if "://" in value:  # pip and uv fetch it
                self.options.append(f"{'-c' if _INCLUDES[option] else '-r'} {value}")
                return
            if "${" in value:
                raise _wrong(
                    origin, f"the file {value} cannot be found: its name has a variable", "Write its name."
                )
            nested = posixpath.join(posixpath.dirname(origin[0]), value)
            self.read(nested, constraints=_INCLUDES[option], above=above, origin=origin)
            return
        if option in _EDITABLE:
            _refuse_local(value, line, origin, editable=True)
            (self.constraints if constraints else self.requirements).append(f"-e {value}")
            return
        if option in _PLACES and "://" not in value and not value.startswith(("/", "$", "file:/")):
            raise _wrong(origin, f"{_quotable(line)} is a local path, which is not in the image", _ADVICE)
        self.options.append(line)


def _option(line: str, origin: Origin) -> tuple[str, str]:
    """An option and its value, of those whose value matters here."""
    word, *more = line.split(None, 1)
    rest = more[0] if more else ""
    name, equals, value = word.partition("=")
    if not word.startswith("--") and len(word) > 2:  # -rother.txt
        name, equals, value = word[:2], "=", word[2:].removeprefix("=")
    known = name in _INCLUDES or name in _EDITABLE or name in _PLACES
    value = f"{value} {rest}".strip() if equals else rest.strip()
    if not known:
        return name, value
    if not value:
        raise _wrong(origin, f"{line} names no file", f"Write {name} FILE.")
    if name in _INCLUDES:
        words = [value]
        if any(mark in value for mark in "\"'\\ "):
            import shlex

            try:
                words = shlex.split(value)
            except ValueError:
                words = []
        if len(words) != 1:
            raise _wrong(
                origin,
                f"{_quotable(line)} is not understood",
                "Write one file on a line, in quotes if its name has spaces.",
            )
        value = words[0]
    return name, value


def _refuse_local(text: str, line: str, origin: Origin, *, editable: bool = False) -> None:
    """Refuse what is a path of the build machine."""
    subject = text.partition(";")[0].partition(" --")[0].strip()
    name, at, url = subject.partition("@")
    if at and "/" not in name and not name.strip().startswith("."):
        subject = url.strip()
    if subject.startswith(("$", "/")):
        return
    if subject.startswith("file:"):
        local = not subject.removeprefix("file:").startswith("/")
    elif "://" in subject:
        return
    elif at and subject != text:
        local = subject.startswith(".") or "/" in subject
    else:
        bare = subject.partition("[")[0]
        local = editable or bare.startswith(".") or "/" in bare or bare.lower().endswith(_ARCHIVES)
    if local:
        raise _wrong(origin, f"{_quotable(line)} is a local path, which is not in the image", _ADVICE)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with content, by number: continued ones joined, comments and outer blanks taken off."""
    waiting: list[str] = []
    start = 0
    for number, line in enumerate([*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""], 1):
        start = start if waiting else number
        if line.lstrip().startswith("#"):
            # A comment ends what is continued, even with a backslash of its own.
            line = " " + line.rstrip("\\")
        if line.endswith("\\"):
            waiting.append(line[:-1])
            continue
        whole = _uncommented("".join([*waiting, line])).strip()
        waiting = []
        if whole:
            yield start, whole


def _uncommented(line: str) -> str:
    at = line.find("#")
    while at > 0 and not line[at - 1].isspace():
        at = line.find("#", at + 1)
    return line if at < 0 else line[:at]


def _decoded(path: str, data: bytes) -> str:
    marks = [(mark, encoding) for mark, encoding in _BOMS if data.startswith(mark)]
    if marks:
        mark, encoding = marks[0]
        data = data.removeprefix(mark)
    else:
        encoding = _declared(data)
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        at = data[: error.start].count(b"\n") + 1 if isinstance(error, UnicodeDecodeError) else 1
        raise InvalidError(
            f"{path}, line {at}: this is not text in {encoding}", hint="Save it as UTF-8."
        ) from None
    if "\0" in text:
        at = text[: text.index("\0")].count("\n") + 1
        raise InvalidError(f"{path}, line {at}: a NUL character", hint="Save it as UTF-8 text.")
    return text


def _declared(data: bytes) -> str:
    """The encoding that a comment in the first two lines names, as pip reads it."""
    for line in data.split(b"\n", 2)[:2]:
        if line.lstrip().startswith(b"#"):
            _, found, rest = line.partition(b"coding")
            if found and rest[:1] in (b":", b"="):
                words = rest[1:].replace(b"-*-", b" ").split()
                if words:
                    return words[0].decode("ascii", "replace")
    return "utf-8"


def _quotable(line: str) -> str:
    return shown(without_credentials(line))


def _wrong(origin: Origin, message: str, hint: str) -> InvalidError:
    return InvalidError(f"{origin[0]}, line {origin[1]}: {message}", hint=hint)
