"""Mounts of local files, as scripts had them before images took files themselves."""

from __future__ import annotations

from llb.compat.handles import Described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Part = Callable[[Any, str], Any]
    """Adds local files to an image; given the image and the place that they are relative to."""


class Mount(Described):
    """Local files. A function's are there when it runs, not in its image; `copy_mount` puts them in one."""

    __slots__ = ("parts",)

    parts: tuple[Part, ...]

    @classmethod
    def _of(cls, parts: tuple[Part, ...]) -> Mount:
        mount = cls()
        object.__setattr__(mount, "parts", parts)
        return mount

    @classmethod
    def from_local_dir(
        cls, local_path: Any, *, remote_path: Any = None, condition: Any = None, **_: Any
    ) -> Mount:
        """A directory. `condition` says of a path whether it is taken along."""
        return cls._of((_directory(local_path, remote_path, condition),))

    @classmethod
    def from_local_file(cls, local_path: Any, remote_path: Any = None) -> Mount:
        """A file."""
        return cls._of((_file(local_path, remote_path),))

    @classmethod
    def from_local_python_packages(cls, *modules: str, **_: Any) -> Mount:
        """Python modules."""
        return cls._of((lambda image, _: image.add_local_python_source(*modules, copy=True),))

    def add_local_dir(
        self, local_path: Any, *, remote_path: Any = None, condition: Any = None, **_: Any
    ) -> Mount:
        """With a directory more."""
        return self._of((*self.parts, _directory(local_path, remote_path, condition)))

    def add_local_file(self, local_path: Any, remote_path: Any = None) -> Mount:
        """With a file more."""
        return self._of((*self.parts, _file(local_path, remote_path)))


def _place(remote_path: Any, local_path: Any, below: str) -> str:
    from posixpath import basename, join, normpath

    return join(below, str(remote_path) if remote_path is not None else basename(normpath(str(local_path))))


def _directory(local_path: Any, remote_path: Any, condition: Any) -> Part:
    def add(image: Any, below: str) -> Any:
        options: dict[str, Any] = {}
        if condition is not None:

            def ignore(path: Any) -> bool:
                return not condition(str(path))

            options["ignore"] = ignore
        return image.add_local_dir(local_path, _place(remote_path, local_path, below), copy=True, **options)

    return add


def _file(local_path: Any, remote_path: Any) -> Part:
    return lambda image, below: image.add_local_file(
        local_path, _place(remote_path, local_path, below), copy=True
    )
