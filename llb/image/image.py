"""`Image`: the chain with all its methods."""

from __future__ import annotations

from llb.errors import InvalidTypeError
from llb.image.arguments import kind, shown
from llb.image.bases import Bases
from llb.image.built import Builds
from llb.image.chain import Chain, chained
from llb.image.commands import Commands
from llb.image.config import Config
from llb.image.dockerfile import Dockerfiles
from llb.image.files import Files
from llb.image.function import Functions
from llb.image.imports import Imports
from llb.image.installers import Packages
from llb.image.joins import Joins
from llb.image.micromamba import Conda
from llb.image.python_source import PythonSource
from llb.image.runtime import Runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Concatenate, ParamSpec, Self

    P = ParamSpec("P")


class Image(
    Bases,
    Dockerfiles,
    Conda,
    Commands,
    Packages,
    Config,
    Runtime,
    Files,
    Functions,
    PythonSource,
    Joins,
    Imports,
    Builds,
):
    """A container image: a base, and steps on top of it.

    A factory starts a chain: `debian_slim`, `from_registry`, `from_scratch`. Each method gives a new image
    with one step more; the image it is called on stays as it is, so that several can branch from one. Nothing
    is read, fetched or built while a chain is written: `compile_to_llb` makes it into what BuildKit builds.

    Example:
        ```python
        image = (
            Image.debian_slim("3.12")
            .apt_install("git")
            .pip_install("numpy", "httpx~=0.27")
            .workdir("/app")
            .cmd(["python", "-m", "app"])
            .add_local_dir("src", "/app")
        )
        ```
    """

    __slots__ = ()

    @chained
    def pipe(self, func: Callable[Concatenate[Self, P], Image], *args: P.args, **kwargs: P.kwargs) -> Image:
        """Give the image to a function that adds steps: `image.pipe(f, x)` is `f(image, x)`.

        Args:
            func: takes an image, and gives one.
            *args: further arguments of it.
            **kwargs: further arguments of it by name.

        Raises:
            InvalidTypeError: `func` cannot be called, or what it gives is not an image.

        Example:
            ```python
            def with_rust(image: Image, profile: str) -> Image:
                return image.run_commands(f"curl -sSf https://sh.rustup.rs | sh -s -- -y --profile {profile}")

            image = Image.debian_slim().apt_install("curl").pipe(with_rust, "minimal")
            ```
        """
        if not callable(func):
            raise InvalidTypeError(
                f"func must be a function, not {kind(func)}: {shown(func)}", hint="Write .pipe(function)."
            )
        result = func(self, *args, **kwargs)
        if not isinstance(result, Chain):  # pyright: ignore[reportUnnecessaryIsInstance]
            name = getattr(func, "__name__", "func")
            raise InvalidTypeError(
                f"{name} gave {kind(result)}, not an Image", hint="Return the image from it."
            )
        return result
