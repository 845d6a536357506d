"""Files that change while they are sent: what was built would be of no one moment."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from llb.errors import ExecutionError
from llb.image.disk import validation_policy


@dataclass(slots=True)
class Validation:
    """Looks at local files as they are sent.

    Args:
        policy: `error`, `warn` or `ignore`; default: LLB_BUILD_VALIDATION.
        started: when the build began, in nanoseconds since 1970; default: now.
        sources: the local sources that are looked at; default: all.
    """

    policy: str = field(default_factory=validation_policy)
    started: int = field(default_factory=time.time_ns)
    sources: Collection[str] | None = None
    notes: list[str] = field(default_factory=list[str])
    """What is to be told, by the policy `warn`."""

    def covers(self, source: str) -> bool:
        """Whether files of a local source are looked at."""
        return self.policy != "ignore" and (self.sources is None or source in self.sources)

    def check(self, path: str, about: os.stat_result) -> None:
        """A file that is going to be sent.

        Raises:
            ExecutionError: it was modified after the build began.
        """
        if about.st_mtime_ns > self.started and stat.S_ISREG(about.st_mode):
            self.changed(path, "during the build")

    def check_same(self, path: str, before: os.stat_result, after: os.stat_result, sent: int) -> None:
        """A file that was sent.

        Raises:
            ExecutionError: it was written to meanwhile.
        """
        same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
        if not same or sent != after.st_size:
            self.changed(path, "while it was sent")

    def changed(self, path: str, when: str) -> None:
        """A file was modified, or taken away.

        Raises:
            ExecutionError: by the policy `error`.
        """
        if self.policy == "error":
            raise ExecutionError(
                f"{path} was modified {when}",
                hint="Build again when nothing writes to it. LLB_BUILD_VALIDATION=warn (or ignore) goes on.",
            )
        self.notes.append(f"{path} was modified {when}")
