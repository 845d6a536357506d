"""Steps that scripts have and that nothing here can build: recorded, and refused when they are compiled.

A method that `llb.Image` gains itself hides the one here; then it is deleted.
"""

from __future__ import annotations

from llb.errors import InvalidTypeError, UnsupportedError
from llb.image.chain import Chain, chained
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from llb.image.build import Build


class RunFunction(Step):
    """A function of the script's, run while the image is built."""

    name: str

    method = "run_function"

    def lower(self, below: Lowered, build: Build) -> Lowered:  # noqa: ARG002
        raise UnsupportedError(
            f"run_function({self.name}) cannot be built yet: functions are not run in builds",
            hint="Build a target without it, or do what it does with run_commands.",
        )


class BuildMethods(Step):
    """Methods that a class of long ago had run while its image was built."""

    owner: str
    names: tuple[str, ...]

    method = "build"

    def lower(self, below: Lowered, build: Build) -> Lowered:  # noqa: ARG002
        first = f"{self.owner}.{self.names[0]}"
        raise UnsupportedError(
            f"the image of {self.owner} needs {first}, which is marked with @modal.build, run in it",
            hint=f"Make it a function at module level, and write image.run_function({self.names[0]}).",
        )


class Unbuilt(Chain):
    """The methods of `modal.Image` that make such steps."""

    __slots__ = ()

    @chained
    def run_function(self, raw_f: Any, **_: Any) -> Self:
        """Run a function of the script's while the image is built."""
        if not callable(raw_f):
            raise InvalidTypeError(
                f"run_function needs a function, not {type(raw_f).__name__}",
                hint="Write run_function(download).",
            )
        return self._then(RunFunction, str(getattr(raw_f, "__name__", "function")))
