"""Packages of Debian and Ubuntu: `apt_install`."""

from __future__ import annotations

from llb.image import arguments
from llb.image.build import require_linux
from llb.image.chain import Chain, chained
from llb.image.commands import RunStep, run_options
from llb.image.packages import install_with_apt
from llb.image.step import Lowered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Self

    from llb.image.build import Build
    from llb.image.secrets import Secret


class AptInstall(RunStep):
    """Debian packages, by one command."""

    packages: tuple[str, ...]

    method = "apt_install"

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        require_linux(build, "apt_install")
        return install_with_apt(self, below, build, self.packages, self.options)


class Apt(Chain):
    """The method of `Image` that installs packages of the distribution."""

    __slots__ = ()

    @chained
    def apt_install(
        self,
        *packages: str | list[str],
        env: Mapping[str, str | None] | None = None,
        secrets: Collection[Secret] | None = None,
        gpu: str | None = None,
        force_build: bool = False,
    ) -> Self:
        """Install Debian or Ubuntu packages with apt.

        Package lists and downloaded archives stay on the builder for the next time, not in the image. Without
        packages, the image is returned as it is.

        Args:
            *packages: names as `apt-get install` takes them, such as `git` or `libpq5=15.6-0+deb12u1`, or
                lists of them, in this order; options such as `--no-install-recommends` may be among them.
            env: environment variables of this step only; those whose value is None are left out.
            secrets: given to this step only, as environment variables; later ones win.
            gpu: a GPU of the builder for this step: `"any"`, or a type such as `"A100"` or `"A100:1"`.
            force_build: install even if cached, and run all steps that follow.

        Raises:
            InvalidTypeError: a package is not a string.
            InvalidError: a package is empty.

        Example:
            ```python
            image = Image.debian_slim().apt_install("git", "ffmpeg")
            ```
        """
        found = arguments.texts("packages", packages, 'apt_install("git", "ffmpeg")')
        options = run_options(env=env, secrets=secrets, gpu=gpu, force_build=force_build)
        return self._then(AptInstall, options, found) if found else self
