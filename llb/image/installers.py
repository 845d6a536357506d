"""All package installers."""

from __future__ import annotations

from llb.image.apt import Apt
from llb.image.pip import Pip
from llb.image.private_repos import Private


class Packages(Apt, Pip, Private):
    """The methods of `Image` that install packages."""

    __slots__ = ()
