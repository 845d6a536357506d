"""Questions to a daemon that take more than one call."""

from __future__ import annotations

from llb.gateway.transport import NOT_FOUND, RpcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from llb.gateway.bridge import Bridge, Pending, Stat


def existing(bridge: Bridge, definition: bytes, paths: Sequence[str]) -> tuple[bool, ...]:
    """Which paths the result of a definition has, links followed.

    Raises:
        RpcError: it cannot be built.
    """
    ref = bridge.solve(definition).result().ref
    if ref is None:
        return (False,) * len(paths)
    pending = [bridge.stat_file(ref, path) for path in paths]
    return tuple([_exists(one) for one in pending])


def _exists(pending: Pending[Stat]) -> bool:
    try:
        pending.result()
    except RpcError as error:
        if is_missing(error):
            return False
        raise
    return True


def is_missing(error: RpcError) -> bool:
    """Whether a file does not exist: the daemon says it in words."""
    return (
        error.code == NOT_FOUND
        or "no such file or directory" in error.message
        or "not a directory" in error.message
        or "is a directory" in error.message
        or "invalid file" in error.message
    )
