"""Paths as Go's `path` package cleans and joins them: vertices hold paths in that form."""

from __future__ import annotations


def clean(path: str) -> str:
    """The shortest equal path, by its text alone; `.` for an empty one.

    Source: https://pkg.go.dev/path#Clean
    """
    if not path:
        return "."
    rooted = path[0] == "/"
    kept: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            kept.append(part)
        elif kept and kept[-1] != "..":
            kept.pop()
        elif not rooted:
            kept.append(part)
    text = "/".join(kept)
    return "/" + text if rooted else text or "."


def join(*parts: str) -> str:
    """The parts that are not empty, joined and cleaned; nothing if all are empty."""
    text = "/".join([part for part in parts if part])
    return clean(text) if text else ""


def within(parent: str, path: str, *, keep_slash: bool = False) -> str:
    """An absolute path of a file action: relative ones start at `parent`.

    With `keep_slash`, a final `/` or `/.` stays: it tells a copy that its destination is a directory.
    """
    cleaned = clean(path)
    if not cleaned.startswith("/"):
        cleaned = join("/", parent, cleaned)
    if keep_slash:
        if path.endswith("/") and not cleaned.endswith("/"):
            cleaned += "/"
        elif path.endswith("/."):
            cleaned += "." if cleaned == "/" else "/."
    return cleaned
