"""Random graphs: a program is a list of numbers, and the same numbers always make the same graph."""

from __future__ import annotations

from hypothesis import strategies as st

from llb.graph import (
    Meta,
    ProgressGroup,
    SourceFile,
    SourceRange,
    State,
    bind,
    cache,
    copy,
    diff,
    image,
    local,
    merge,
    mkdir,
    mkfile,
    remove,
    scratch,
    secret,
    symlink,
    tmpfs,
)

Program = list[tuple[int, int, int]]
PROGRAMS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 50), st.integers(0, 50)), max_size=25)
FILES = (SourceFile("a.py", b"a\nb\nc\n"), SourceFile("b.py", b"x\n"))


def state_of(program: Program) -> State:
    """The graph of a program; each step builds on any of those before it."""
    states = [scratch(), image("alpine"), local("context", exclude=["*.pyc"])]
    for number, (kind, left, right) in enumerate(program):
        one, two = states[left % len(states)], states[right % len(states)]
        states.append(_step(kind, number, one, two))
    return states[-1]


def _step(kind: int, number: int, one: State, two: State) -> State:
    meta = Meta(
        f"step {number}" if number % 2 else "",
        {"key": str(number)} if number % 3 == 0 else (),
        ignore_cache=number % 5 == 0,
        progress_group=ProgressGroup("group", "name") if number % 7 == 0 else None,
        locations=[SourceRange(FILES[number % 2], number + 1)] if number % 2 else (),
    )
    if kind == 0:
        return one.run(["step", str(number)], meta=meta).root
    if kind == 1:
        mounts = [bind("/two", two), cache("/c"), tmpfs("/t"), secret("/s")]
        return one.run(["mounts"], mounts=mounts, meta=meta).mounted("/two")
    if kind == 2:
        return one.with_env(f"K{number % 4}", str(number)).with_dir(f"d{number}")
    if kind == 3:
        return one.file(copy(two, "a", "b/", owner="me:1"), mkdir("/d"), meta=meta)
    if kind == 4:
        return one.file(mkfile("f", data=b"\0" * number), symlink("f", "l"), remove("x"), meta=meta)
    if kind == 5:
        return merge([one, two, one], meta=meta)
    if kind == 6:
        return diff(one, two, meta=meta)
    if kind == 7:
        return one.with_platform("linux/arm64").with_user("me")
    if kind == 8:
        return image(f"image{number % 3}", meta=meta)
    if kind == 9:
        return one.run(["ro"], mounts=[bind("/two", two, readonly=True)], env={"E": "1"}, meta=meta).root
    if kind == 10:
        return one.with_output_of(two)
    return one.run(["net"], network="host", valid_exit_codes=[0, number], hostname="h", meta=meta).root
