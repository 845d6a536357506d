"""Which devices the engine has: the daemon lists them to its clients, and not to a frontend.

So a container is started with a device that it need not have, and one without: where they look the same,
there is no such device. Nothing else tells: a build that may use devices is not told of a missing one before
the step runs. Asked only where it decides something: of several choices of a step, and for the text of a
refusal.
"""

from __future__ import annotations

import sys

from llb import graph
from llb.gateway import ConnectionLostError, RpcError
from llb.graph import Device, Meta, ProgressGroup
from llb.image.devices import CLASSES, explained, refused_name
from llb.image.gpu import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llb.errors import LLBError
    from llb.gateway import Bridge, Pending, Result
    from llb.image import ImageDefinition

_LOOK = """
import os
with open("/run/llb/seen", "w") as seen:
    print(sorted(one for one in os.environ.items() if not one[0].startswith(("OTEL_", "TRACE"))), file=seen)
    print(sorted(os.path.join(at, one) for at, _, files in os.walk("/dev") for one in files), file=seen)
    with open("/proc/self/mounts") as mounts:
        print(sorted(line.split()[1] for line in mounts), file=seen)
"""
"""What a device adds to a container: variables, device files, mounts."""

_AT_MOST = 8
"""Devices of a kind that are looked for, to list them: no machine that builds images has more."""
_COUNTS = (2, 4, 8)


class DeviceQuestions:
    """Asks the engine for devices, by containers of this frontend's own image.

    Args:
        bridge: the build.
        image: this frontend's image, as the build names it; empty if it does not.
    """

    def __init__(self, bridge: Bridge, image: str) -> None:
        self._bridge = bridge
        self._image = image
        self._known: dict[str, bool] = {}

    def find(self, names: Iterable[str]) -> frozenset[str] | None:
        """Which of some devices there are, by CDI names or classes; None if that cannot be told."""
        wanted = list(dict.fromkeys(names))
        asked = [name for name in wanted if name not in self._known]
        if asked:
            if not self._image:
                return None
            bare, pending = self._look(()), [(name, self._look((name,))) for name in asked]
            nothing = self._seen(bare)
            if nothing is None:
                return None
            for name, answer in pending:
                seen = self._seen(answer)
                if seen is None:
                    return None
                self._known[name] = seen != nothing
        return frozenset([name for name in wanted if self._known[name]])

    def listed(self, asked: str) -> list[str]:
        """What the engine has, as far as it can be found out: devices by index, and classes."""
        kinds = dict.fromkeys([ANY, *([asked.partition("=")[0]] if "/" in asked else [])])
        if not self._any([*[f"{kind}=*" for kind in kinds], *CLASSES]):
            return []
        kind = asked.partition(":")[0]
        counted = [] if "/" in asked else [kind, *[f"{kind}:{count}" for count in _COUNTS]]
        names = [f"{kind}={index}" for kind in kinds for index in range(_AT_MOST)]
        found = self.find([*names, *CLASSES, *counted])
        if found is None:
            return []
        return [
            name if "/" in name else f"the class {name}"
            for name in dict.fromkeys([*names, *counted, *CLASSES])
            if name in found
        ]

    def _any(self, names: Sequence[str]) -> bool:
        bare, pending = self._look(()), self._look(names)
        nothing, seen = self._seen(bare), self._seen(pending)
        return nothing is None or seen is None or seen != nothing

    def _look(self, names: Sequence[str]) -> Pending[Result]:
        what = names[0] if len(names) == 1 else "any device" if names else "no device"
        group = "[internal] which devices the engine has"
        command = graph.image(self._image).run(
            (sys.executable or "/usr/local/bin/python3", "-I", "-S", "-c", _LOOK),
            mounts=[graph.bind("/run/llb", graph.scratch())],
            devices=[Device(name, optional=True) for name in names],
            network="none",
            meta=Meta(
                name=f"[internal] look for {what}",
                ignore_cache=True,
                progress_group=ProgressGroup(group, group, weak=True),
            ),
        )
        return self._bridge.solve(graph.marshal(command.mounted("/run/llb")).to_bytes(), evaluate=True)

    def _seen(self, pending: Pending[Result]) -> bytes | None:
        """What a container saw; None if it did not run."""
        try:
            ref = pending.result().ref
            return self._bridge.read_file(ref, "seen").result() if ref is not None else None
        except ConnectionLostError:
            raise
        except RpcError as error:
            if "requested by the build but not allowed" in error.message:
                return b""  # there is one
            return None


def refused(error: RpcError, definition: ImageDefinition, questions: DeviceQuestions) -> LLBError:
    """The daemon's error about a device of a build, with what the engine has, and what is to be done."""
    name = refused_name(error.message)
    return explained(error.message, definition.devices, questions.listed(name) if name else ()) or error
