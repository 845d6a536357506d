"""Which entries of a local directory are sent: include, exclude and follow patterns, by Docker's rules.

Source: https://github.com/tonistiigi/fsutil (`filter.go`, `followlinks.go`), https://github.com/moby/patternmatcher
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llb.errors import LocalFileError
from llb.image.patterns import Pattern, escape, parse_patterns

_SPECIAL = frozenset("*[]?^\\")
_WILD = frozenset("*?[")
_MAX_LINKS = 255


@dataclass(frozen=True, slots=True)
class Selected:
    """An entry that is sent."""

    path: str
    """Where it is."""
    relative: str
    """From the directory, with slashes."""
    about: os.stat_result


@dataclass(slots=True)
class _Parent:
    """A directory above the entries that are looked at now."""

    entry: Selected
    included: tuple[bool, ...]
    excluded: tuple[bool, ...]
    sent: bool


class Matcher:
    """Patterns asked about paths in the order of a walk: what matched a directory matches what it holds."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = patterns
        self.takes_back = any(one.excluded for one in patterns)
        self.prefixes_only = not any(
            _SPECIAL.intersection(_without_glob(one.text)) for one in patterns if one.excluded
        )
        """Whether those that take back name whole paths: others may match anywhere below."""
        self.fixed = [_fixed(one.text) for one in patterns]
        """The directories that each pattern names for certain."""

    def matches(self, path: str, above: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Whether a path is matched, and by which patterns, given the same of its directory."""
        matched = False
        by: list[bool] = []
        for index, pattern in enumerate(self.patterns):
            match = above[index] if above else False
            if not match and pattern.excluded == matched:
                match = pattern.matches(path)
            by.append(match)
            if match:
                matched = not pattern.excluded
        return matched, tuple(by)


def select(
    root: str, *, include: Sequence[str] = (), exclude: Sequence[str] = (), follow: Sequence[str] = ()
) -> Iterator[Selected]:
    """The entries of a directory that a transfer holds: parents first, names in the order of their bytes.

    Args:
        root: the directory.
        include: patterns; without any, and without `follow`, everything.
        exclude: patterns of what stays.
        follow: paths or patterns; what links among them lead to comes too.

    Raises:
        LocalFileError: a directory cannot be read.
        InvalidError: a pattern is malformed.
    """
    names = list(include)
    followed = follow_links(root, follow) if follow else []
    if "." not in followed:
        names += followed
    elif not include:
        names = []
    included = Matcher(parse_patterns(names)) if names else None
    excluded = Matcher(parse_patterns(exclude)) if exclude else None
    return _walk(root, "", included, excluded, [])


def _walk(
    root: str,
    directory: str,
    included: Matcher | None,
    excluded: Matcher | None,
    parents: list[_Parent],
) -> Iterator[Selected]:
    above = parents[-1] if parents else None
    for name in _names(root, directory):
        relative = f"{directory}/{name}" if directory else name
        path = os.path.join(root, relative)
        try:
            about = os.lstat(path)
        except FileNotFoundError:  # it was there a moment ago
            continue
        entry = Selected(path, relative, about)
        is_dir = about.st_mode & 0o170000 == 0o040000
        wanted, by_include, by_exclude = True, (), ()
        inside = True
        if included is not None:
            match, by_include = included.matches(relative, above.included if above else ())
            wanted = match
            inside = match or _may_hold(included, relative)
        if inside and excluded is not None:
            match, by_exclude = excluded.matches(relative, above.excluded if above else ())
            if match:
                wanted = False
                inside = _may_keep(excluded, relative)
        if wanted:
            for parent in parents:
                if not parent.sent:
                    parent.sent = True
                    yield parent.entry
            yield entry
        if is_dir and inside:
            parents.append(_Parent(entry, by_include, by_exclude, wanted))
            try:
                yield from _walk(root, relative, included, excluded, parents)
            except PermissionError as error:
                if wanted:
                    raise LocalFileError(f"the directory {path} cannot be read: {error.strerror}") from None
            parents.pop()


def _names(root: str, directory: str) -> list[str]:
    try:
        return sorted(os.listdir(os.path.join(root, directory)), key=os.fsencode)
    except FileNotFoundError:
        return []
    except PermissionError:
        if directory:
            raise
        raise LocalFileError(f"the directory {root} cannot be read: Permission denied") from None
    except OSError as error:
        raise LocalFileError(
            f"the directory {os.path.join(root, directory)} cannot be read: {error.strerror}"
        ) from None


def _may_hold(included: Matcher, directory: str) -> bool:
    """Whether something in a directory that is not included itself may be."""
    parts = directory.split("/")
    for pattern, fixed in zip(included.patterns, included.fixed, strict=True):
        common = min(len(parts), len(fixed))
        if pattern.excluded or parts[:common] == fixed[:common]:
            return True
    return False


def _may_keep(excluded: Matcher, directory: str) -> bool:
    """Whether something in a directory that is excluded may not be."""
    if not excluded.takes_back:
        return False
    if not excluded.prefixes_only:
        return True
    start = f"{directory}/"
    return any(
        f"{_without_glob(pattern.text)}/".startswith(start)
        for pattern in excluded.patterns
        if pattern.excluded
    )


def _fixed(text: str) -> list[str]:
    parts: list[str] = []
    for part in text.split("/"):
        if _has_wildcard(part):
            break
        parts.append(_unescaped(part))
    return parts


def _without_glob(text: str) -> str:
    """A pattern without what only says that it holds for all below."""
    return text.removesuffix("/**")


def follow_links(root: str, paths: Sequence[str]) -> list[str]:
    """Patterns of some paths and of all that links on the way lead to, as in a root of their own.

    `.` among them is the whole directory.
    """
    found: dict[str, None] = {}
    pending = list(reversed(paths))
    links = 0
    while pending:
        path = posixpath.normpath("/" + pending.pop()).strip("/") or "."
        if path == ".":
            found["."] = None
            continue
        current = ""
        parts = path.split("/")
        for depth, part in enumerate(parts):
            place = posixpath.join(current, part)
            rest = "/".join(parts[depth + 1 :])
            targets = _targets(root, current, part)
            if (targets or not rest) and place in found:
                break
            if targets or not rest:
                found[place] = None
            if targets:
                links += len(targets)
                if links <= _MAX_LINKS:
                    pending += [posixpath.join(target, rest) for target in reversed(targets)]
                break
            current = place
    return list(found)


def _targets(root: str, directory: str, part: str) -> list[str]:
    """Where the links lead that a name, or a pattern of names, matches in a directory; patterns again."""
    place = os.path.join(root, _unescaped(directory))
    names = [_unescaped(part)]
    if _has_wildcard(part):
        pattern = parse_patterns([part])
        try:
            names = sorted(name for name in os.listdir(place) if pattern and pattern[0].matches(name))
        except OSError:
            return []
    targets: list[str] = []
    for name in names:
        try:
            target = os.readlink(os.path.join(place, name))
        except (OSError, ValueError):
            continue
        whole = posixpath.normpath(posixpath.join("/", _unescaped(directory), target))
        targets.append(escape(whole.lstrip("/")) or ".")
    return targets


def _has_wildcard(part: str) -> bool:
    at = 0
    while at < len(part):
        if part[at] == "\\":
            at += 1
        elif part[at] in _WILD:
            return True
        at += 1
    return False


def _unescaped(path: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(path):
        if path[at] == "\\" and at + 1 < len(path):
            at += 1
        out.append(path[at])
        at += 1
    return "".join(out)
