"""File actions: the vertex of `State.file`, and what it can do."""

from __future__ import annotations

from llb import wire
from llb._value import Value, slot_setters
from llb.errors import InvalidError, InvalidTypeError
from llb.graph.paths import clean, join, within
from llb.graph.vertex import EMPTY, Inputs, Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from llb.graph.metadata import Meta
    from llb.graph.state import State
    from llb.graph.vertex import Encoder

    OwnerArgument = str | int | tuple[int, int] | None
    """`"user"`, `"user:group"` (names or numbers), a uid, or `(uid, gid)`."""

_BASE = frozenset(("file.base",))
"""All that Go's client asks for: it adds the capabilities of single actions before it knows any action."""


class Owner(Value):
    """Who owns what an action makes: names, looked up in the action's base, or numbers."""

    user: str | int
    group: str | int | None = None

    @staticmethod
    def parse(value: OwnerArgument) -> Owner | None:
        if value is None:
            return None
        if isinstance(value, tuple):
            return Owner(*value)
        if isinstance(value, int):
            return Owner(value)
        if not value:
            raise InvalidError(
                "an owner cannot be empty", hint='Write it as "user", "user:group", or leave it out.'
            )
        user, colon, group = value.partition(":")
        return Owner(_number(user), _number(group) if colon else None)

    def encode(self, base: int) -> bytes:
        """The bytes of a `pb.ChownOpt`."""
        user = wire.message(1, _encode_user(self.user, base))
        return user + wire.message(2, _encode_user(self.group, base)) if self.group is not None else user


def _number(text: str) -> str | int:
    if text == "root":
        return 0
    digits = text[1:] if text[:1] in "+-" else text
    if digits.isascii() and digits.isdigit() and -(1 << 31) <= int(text) < 1 << 31:
        return int(text)
    return text


def _encode_user(user: str | int, base: int) -> bytes:
    if isinstance(user, int) or not user:
        return wire.present_integer(2, (user or 0) & 0xFFFF_FFFF)  # pyright: ignore[reportOperatorIssue]
    return wire.message(1, wire.string(1, user) + wire.integer(2, base))


class Action(Value):
    """One file action: `copy`, `mkdir`, `mkfile`, `remove` or `symlink` makes one."""

    def encode(self, parent: str, base: int) -> bytes:
        """The member of `pb.FileAction`'s oneof.

        Args:
            parent: the directory that relative paths start at.
            base: the input whose users and groups names are looked up in.
        """
        raise NotImplementedError


class Mkdir(Action):
    """`mkdir` makes one."""

    path: str
    mode: int
    parents: bool
    owner: Owner | None
    created_time: int | None

    def encode(self, parent: str, base: int) -> bytes:
        return wire.message(
            6,
            wire.string(1, within(parent, self.path))
            + wire.integer(2, self.mode & 0o777)
            + wire.integer(3, self.parents)
            + _owner(4, self.owner, base)
            + _time(5, self.created_time),
        )


class Mkfile(Action):
    """`mkfile` makes one."""

    path: str
    mode: int
    data: bytes
    owner: Owner | None
    created_time: int | None

    def encode(self, parent: str, base: int) -> bytes:
        return wire.message(
            5,
            wire.string(1, within(parent, self.path))
            + wire.integer(2, self.mode & 0o777)
            + wire.data(3, self.data)
            + _owner(4, self.owner, base)
            + _time(5, self.created_time),
        )


class Remove(Action):
    """`remove` makes one."""

    path: str
    allow_not_found: bool
    wildcard: bool

    def encode(self, parent: str, base: int) -> bytes:  # noqa: ARG002
        return wire.message(
            7,
            wire.string(1, within(parent, self.path))
            + wire.integer(2, self.allow_not_found)
            + wire.integer(3, self.wildcard),
        )


class Symlink(Action):
    """`symlink` makes one."""

    old: str
    new: str
    owner: Owner | None
    created_time: int | None

    def encode(self, parent: str, base: int) -> bytes:  # noqa: ARG002
        return wire.message(
            8,
            wire.string(1, self.old)
            + wire.string(2, self.new)
            + _owner(3, self.owner, base)
            + _time(4, self.created_time),
        )


class Copy(Action):
    """`copy` makes one."""

    source: State | Staged
    src: str
    dst: str
    mode: int | str | None
    owner: Owner | None
    created_time: int | None
    flags: tuple[tuple[int, bool], ...]
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    required: tuple[str, ...]
    always_replace: bool

    def encode(self, parent: str, base: int) -> bytes:
        src = clean(self.src)
        if not src.startswith("/"):
            source = self.source.state if isinstance(self.source, Staged) else self.source
            src = join(source.dir, src)
        mode = EMPTY if self.mode is None else self.mode if isinstance(self.mode, int) else 0
        return wire.message(
            4,
            b"".join(
                [
                    wire.string(1, src),
                    wire.string(2, within(parent, self.dst, keep_slash=True)),
                    _owner(3, self.owner, base),
                    wire.integer(4, mode),
                    *[wire.integer(number, flag) for number, flag in self.flags],
                    _time(11, self.created_time),
                    wire.strings(12, self.include),
                    wire.strings(13, self.exclude),
                    wire.integer(14, self.always_replace),
                    wire.string(15, self.mode) if isinstance(self.mode, str) else b"",
                    wire.strings(16, self.required),
                ]
            ),
        )


class Staged(Value):
    """File actions on a state whose result is only copied from: `staged` makes one."""

    state: State
    actions: tuple[Action, ...]

    # The same object is the same stage, however often it is copied from.
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def copy(
    source: State | Staged,
    src: str,
    dst: str,
    *,
    mode: int | str | None = None,
    owner: OwnerArgument = None,
    follow_symlinks: bool = False,
    contents_only: bool = False,
    unpack: bool = False,
    create_dest: bool = False,
    wildcard: bool = False,
    empty_wildcard: bool = False,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    required: Sequence[str] = (),
    always_replace: bool = False,
    created_time: int | None = None,
) -> Action:
    """Copy from another state (or from `staged` actions of the same vertex).

    Args:
        source: where to copy from.
        src: the path there; a relative one starts at that state's directory.
        dst: the path here; with a final `/` it is a directory to copy into.
        mode: permission bits for what is copied: a number, or text such as `u=rwX,go=rX`. Octal text is a
            number.
        owner: `"user"`, `"user:group"` (names or numbers), a uid, or `(uid, gid)`.
        follow_symlinks: copy what a symlink at `src` points to.
        contents_only: of a directory, copy what is in it.
        unpack: extract an archive.
        create_dest: make missing directories of `dst`.
        wildcard: `src` may hold `*`, `?` and `[…]`.
        empty_wildcard: a wildcard that matches nothing is no error.
        include: patterns, of which a path must match one.
        exclude: patterns, of which a path must match none.
        required: paths that must be among the included.
        always_replace: replace what is of another type at the destination.
        created_time: modification time of what is copied, in nanoseconds since 1970.
    """
    from llb.graph.state import checked_state  # it needs this module

    if isinstance(mode, str) and mode.isascii() and mode.isdigit():
        try:
            mode = int(mode, 8)
        except ValueError:
            raise InvalidError(f"{mode!r} is not a file mode", hint='Write it as 0o755 or "755".') from None
    return Copy(
        source if isinstance(source, Staged) else checked_state(source, "the source of a copy"),
        src,
        dst,
        mode,
        Owner.parse(owner),
        _checked_time(created_time),
        (
            (5, follow_symlinks),
            (6, contents_only),
            (7, unpack),
            (8, create_dest),
            (9, wildcard),
            (10, empty_wildcard),
        ),
        _texts("include", include),
        _texts("exclude", exclude),
        _texts("required", required),
        always_replace,
    )


def mkdir(
    path: str,
    mode: int = 0o755,
    *,
    parents: bool = False,
    owner: OwnerArgument = None,
    created_time: int | None = None,
) -> Action:
    """Make a directory; with `parents` also those above it, and it may exist."""
    return Mkdir(path, mode, parents, Owner.parse(owner), _checked_time(created_time))


def mkfile(
    path: str,
    mode: int = 0o644,
    data: bytes = b"",
    *,
    owner: OwnerArgument = None,
    created_time: int | None = None,
) -> Action:
    """Write a file."""
    if not isinstance(data, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTypeError(
            f"a file's data is bytes, not {type(data).__name__}", hint="Encode it: text.encode()."
        )
    return Mkfile(path, mode, data, Owner.parse(owner), _checked_time(created_time))


def remove(path: str, *, allow_not_found: bool = False, wildcard: bool = False) -> Action:
    """Remove a file or directory; with `wildcard` all that match."""
    return Remove(path, allow_not_found, wildcard)


def symlink(old: str, new: str, *, owner: OwnerArgument = None, created_time: int | None = None) -> Action:
    """Make a symlink at `new` that says `old`. Both stand as given: a relative `new` starts at the root."""
    return Symlink(old, new, Owner.parse(owner), _checked_time(created_time))


def staged(state: State, *actions: Action) -> Staged:
    """Actions on another state within the same vertex, for a `copy` to take their result."""
    if not actions:
        raise InvalidError("a stage needs actions", hint="Copy from the state itself.")
    return Staged(state, actions)


class FileOp(Vertex):
    """File actions on a filesystem."""

    state: State
    actions: tuple[Action, ...]

    def __init__(
        self,
        inputs: tuple[State, ...],
        meta: Meta,
        filters: tuple[str, ...],
        state: State,
        actions: tuple[Action, ...],
    ) -> None:
        _set_inputs(self, inputs)
        _set_meta(self, meta)
        _set_filters(self, filters)
        _set_state(self, state)
        _set_actions(self, actions)

    @staticmethod
    def on(state: State, actions: tuple[Action, ...], filters: tuple[str, ...], meta: Meta) -> FileOp:
        if not actions:
            raise InvalidError(
                "file() needs an action", hint="There are copy, mkdir, mkfile, remove and symlink."
            )
        for action in actions:
            if not isinstance(action, Action):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidTypeError(
                    f"file() takes actions, not {type(action).__name__}",
                    hint="copy(…), mkdir(…) and so on make them.",
                )
        return FileOp(_visited(state, actions), meta, filters, state, actions)

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        inputs = Inputs(encoder)
        results: dict[Staged, int] = {}
        steps: list[tuple[Action, str, int, int | None, int, int | None]] = []
        # A frame is a chain of actions on a state: the op's own, or a stage that is copied from.
        frames: list[tuple[Staged | None, State, tuple[Action, ...], int, int | None]] = [
            (None, self.state, self.actions, 0, None)
        ]
        while frames:
            stage, state, actions, at, previous = frames.pop()
            if at == len(actions):
                if stage is not None and previous is not None:
                    results[stage] = previous
                continue
            action = actions[at]
            base = inputs.add(state)
            secondary, from_stage = EMPTY, None
            if isinstance(action, Copy):
                if isinstance(action.source, Staged):
                    from_stage = results.get(action.source)
                    if from_stage is None:
                        frames.append((stage, state, actions, at, previous))
                        frames.append((action.source, action.source.state, action.source.actions, 0, None))
                        continue
                else:
                    secondary = inputs.add(action.source)
            steps.append((action, state.dir, base, previous, secondary, from_stage))
            frames.append((stage, state, actions, at + 1, len(steps) - 1))
        count = len(inputs)
        last = len(steps) - 1
        body = b"".join(
            [
                wire.message(
                    2,
                    wire.integer(1, base if previous is None else count + previous)
                    + wire.integer(2, secondary if from_stage is None else count + from_stage)
                    + wire.integer(3, 0 if number == last else EMPTY)
                    + action.encode(parent, base),
                )
                for number, (action, parent, base, previous, secondary, from_stage) in enumerate(steps)
            ]
        )
        return inputs.encode() + encoder.constraints(self.filters) + wire.message(4, body), _BASE


_set_inputs, _set_meta, _set_filters, _set_state, _set_actions = slot_setters(FileOp)


def _visited(state: State, actions: tuple[Action, ...]) -> tuple[State, ...]:
    """The states that actions build on: the base, then sources from the last action back, as in Go."""
    found: list[State] = []
    frames = [(state, actions, len(actions))]
    while frames:
        base, chain, at = frames.pop()
        if not at:
            continue
        found.append(base)
        frames.append((base, chain, at - 1))
        action = chain[at - 1]
        if isinstance(action, Copy):
            if isinstance(action.source, Staged):
                frames.append((action.source.state, action.source.actions, len(action.source.actions)))
            else:
                found.append(action.source)
    seen: set[tuple[int, int]] = set()
    inputs: list[State] = []
    for one in found:
        key = (id(one.vertex), one.index)
        if one.vertex is not None and key not in seen:
            seen.add(key)
            inputs.append(one)
    return tuple(inputs)


def _owner(number: int, owner: Owner | None, base: int) -> bytes:
    return wire.message(number, owner.encode(base)) if owner is not None else b""


def _time(number: int, time: int | None) -> bytes:
    return wire.integer(number, EMPTY if time is None else time)


def _checked_time(time: int | None) -> int | None:
    if time is not None and not isinstance(time, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidTypeError(
            f"created_time is a number of nanoseconds, not {type(time).__name__}", hint="int(seconds * 1e9)"
        )
    return time


def _texts(name: str, values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise InvalidTypeError(f"{name} is a list of patterns, not one text", hint=f"Write [{values!r}].")
    return tuple(values)
