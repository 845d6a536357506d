"""What BuildKit tells a frontend when it starts it: options and session, in environment variables."""

from __future__ import annotations

import os

from llb._value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_OPTION = "BUILDKIT_FRONTEND_OPT_"


class Environment(Value):
    """The build's options, its session, and the daemon's workers as JSON."""

    options: Mapping[str, str]
    session: str = ""
    workers: str = ""

    @staticmethod
    def take() -> Environment:
        """Reads the variables and removes them: the user's code shall not depend on them."""
        options: dict[str, str] = {}
        for name in [name for name in os.environ if name.startswith("BUILDKIT_")]:
            if name.startswith(_OPTION):
                key, _, value = os.environ.pop(name).partition("=")
                options[key] = value
        return Environment(
            options, os.environ.pop("BUILDKIT_SESSION_ID", ""), os.environ.pop("BUILDKIT_WORKERS", "")
        )

    def session_of(self, local: str) -> str:
        """The session that serves a local source."""
        return self.options.get(f"local-sessionid:{local}", self.session)

    def prefixed(self, prefix: str) -> dict[str, str]:
        """The options whose names start so, without the prefix, sorted."""
        return {
            name.removeprefix(prefix): self.options[name]
            for name in sorted(self.options)
            if name.startswith(prefix)
        }
