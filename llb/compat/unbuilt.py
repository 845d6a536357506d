"""Steps that scripts have and that nothing here can build: recorded, and refused when they are compiled."""

from __future__ import annotations

from llb.errors import UnsupportedError
from llb.image.step import Lowered, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.image.build import Build


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
