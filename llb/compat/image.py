"""`modal.Image`: our `Image`, with the names that it had long ago and that scripts still use."""

from __future__ import annotations

from llb.compat.apps import Function
from llb.compat.placeholders import refuse_unknown
from llb.compat.storage import CloudBucketMount
from llb.compat.unbuilt import BuildMethods
from llb.errors import InvalidError, LLBError
from llb.image import Image as _Image
from llb.image.chain import chained, started, step_of
from llb.location import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Self

    from llb.compat.mounts import Mount
    from llb.location import Location


class Image(_Image):
    """An image of a script's: all of `llb.Image`, and what the script may be older than.

    No method takes a value that is not known here: a placeholder, or text made with one.
    """

    __slots__ = ()

    @classmethod
    @started
    def from_registry(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        tag: str,
        *args: Any,
        setup_dockerfile_commands: Sequence[str] = (),
        secrets: Sequence[Any] = (),
        gpu_config: Any = None,
        gpu: Any = None,
        **options: Any,
    ) -> Self:
        """As ours; `secrets` and `gpu`, which the original lets through unsaid, are of the set-up lines."""
        lines = list(setup_dockerfile_commands)
        gpu = gpu or gpu_config
        if not secrets and not gpu:
            return super().from_registry(tag, *args, setup_dockerfile_commands=lines, **options)
        image = super().from_registry(tag, *args, **options)
        return image.dockerfile_commands(lines, secrets=list(secrets), gpu=gpu)

    @classmethod
    @started
    def from_dockerhub(cls, tag: str, setup_commands: Sequence[str] = (), **options: Any) -> Self:
        """What `from_registry` was called before."""
        lines = [*setup_commands, *options.pop("setup_dockerfile_commands", ())]
        return cls.from_registry(tag, setup_dockerfile_commands=lines, **options)

    @chained
    def copy_local_dir(self, local_path: Any, remote_path: Any = ".", **options: Any) -> Self:
        """What `add_local_dir(…, copy=True)` was called before; its place may be relative."""
        return self.add_local_dir(local_path, self._placed(remote_path), copy=True, **options)

    @chained
    def copy_local_file(self, local_path: Any, remote_path: Any = "./", **options: Any) -> Self:
        """What `add_local_file(…, copy=True)` was called before; its place may be relative."""
        place = self._placed(remote_path)
        if str(remote_path).endswith(("/", ".")) and not place.endswith("/"):
            place += "/"
        return self.add_local_file(local_path, place, copy=True, **options)

    @chained
    def copy_mount(self, mount: Mount, remote_path: Any = ".") -> Self:
        """Copies what a mount names."""
        parts = getattr(mount, "parts", None)
        if parts is None:
            raise InvalidError(
                "copy_mount copies a mount of local files", hint="Write add_local_dir(…, copy=True)."
            )
        image = self
        for add in parts:
            image = add(image, self._placed(remote_path))
        return image

    def _placed(self, path: Any) -> str:
        """A place in the image, seen from the working directory that the chain has set."""
        from posixpath import join, normpath

        workdir = "/"
        step = step_of(self)
        while step is not None:
            if step.method == "workdir":
                workdir = join("/", str(getattr(step, "path", "")))
                break
            step = step.parent
        return normpath(join(workdir, str(path)))

    def run_inside(self) -> Any:
        """What `imports` was called before."""
        return self.imports()

    def needing(self, location: Location, owner: str, methods: tuple[str, ...]) -> Self:
        """The image with methods of a class run in it, which nothing here can do."""
        return self._of(BuildMethods(step_of(self), location, owner, methods))

    def build(self, *_: Any, **__: Any) -> Self:
        """The image itself: it is built by whoever evaluates the script."""
        return self

    def hydrate(self, *_: Any, **__: Any) -> Self:
        """The image itself, as with `build`."""
        return self

    def publish(self, *_: Any, **__: Any) -> Self:
        """The image itself: what is built is named by whoever builds it."""
        return self


def _checked(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method that refuses values that are not known here."""

    def checked(self_or_cls: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            refuse_unknown((args, kwargs), name)
        except LLBError as error:
            raise error.at(caller(), name) from None
        if name == "run_function" and args and isinstance(args[0], Function):
            args = (args[0].get_raw_f(), *args[1:])
        volumes: Any = kwargs.get("volumes")
        for volume in volumes.values() if hasattr(volumes, "values") else ():
            if isinstance(volume, CloudBucketMount):
                volume.check()
        return method(self_or_cls, *args, **kwargs)

    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(checked, attribute, getattr(method, attribute))
    checked.__wrapped__ = method  # pyright: ignore[reportFunctionMemberAccess]
    return checked


_UNCHECKED = ("build", "hydrate", "imports", "needing", "pipe", "publish", "run_inside")


def _check_all() -> None:
    for name in dir(Image):
        if name.startswith("_") or name in _UNCHECKED:
            continue
        value: Any = next(vars(owner)[name] for owner in Image.__mro__ if name in vars(owner))
        function: Any = getattr(value, "__func__", None)  # of a class method
        if function is not None:
            setattr(Image, name, classmethod(_checked(name, function)))
        elif callable(value):
            setattr(Image, name, _checked(name, value))


_check_all()
