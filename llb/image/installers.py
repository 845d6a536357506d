"""All package installers."""

from __future__ import annotations

from llb.image.apt import Apt
from llb.image.pip import Pip
from llb.image.poetry import Poetry
from llb.image.private_repos import Private
from llb.image.uv import Uv


class Packages(Apt, Pip, Private, Uv, Poetry):
    """The methods of `Image` that install packages."""

    __slots__ = ()
