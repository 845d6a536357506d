"""Dockerfiles that were given to this frontend: handed to BuildKit's own, with all that came along."""

from __future__ import annotations

import posixpath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from frontend.environment import Environment
    from llb.gateway import Bridge, Result

_FRONTEND = "dockerfile.v0"


def is_dockerfile(filename: str, data: bytes) -> bool:
    """Whether a file is a Dockerfile: `*.py` never is, and neither is Python that mentions llb."""
    if posixpath.splitext(filename)[1] == ".py":
        return False
    if b"llb" not in data:
        return True
    try:
        compile(data, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return True
    return False


def build(bridge: Bridge, environment: Environment, inputs: dict[str, bytes]) -> Result:
    """Solves a Dockerfile, as if BuildKit's own frontend had been asked.

    Raises:
        RpcError: what it says.
    """
    options = {name: value for name, value in environment.options.items() if name != "source"}
    # With a command line given, a `# syntax=` line is not followed: it may name us.
    options.setdefault("cmdline", _FRONTEND)
    return bridge.solve(frontend=_FRONTEND, options=options, inputs=inputs).result()
