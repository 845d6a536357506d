"""What `import modal` gives: our image and secret, recorders of apps, and a stand-in for every other name."""

from __future__ import annotations

import sys
from types import ModuleType

from llb.compat.apps import BUILT, App, Cls, Function, Sandbox, Stub
from llb.compat.detection import LIBRARY
from llb.compat.handles import ONLY_THERE, Described, EndedError, Handle
from llb.compat.image import Image
from llb.compat.mounts import Mount
from llb.compat.placeholders import Placeholder
from llb.compat.storage import CloudBucketMount, NetworkFileSystem, Secret, Volume
from llb.image import NON_PYTHON_FILES, FilePatternMatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = "1.6.4"
"""The release whose names these are."""


class SharedVolume(Described):
    """What network file systems were called before."""

    __slots__ = ()


class Dict(Described):
    """A dictionary at the service."""

    __slots__ = ()


class Queue(Described):
    """A queue at the service."""

    __slots__ = ()


class Proxy(Described):
    """A proxy of the service's."""

    __slots__ = ()


class FunctionCall(Described):
    """A call of a function."""

    __slots__ = ()


class Tunnel(Described):
    """A way to a port of a container."""

    __slots__ = ()


class Client(Described):
    """A connection to the service."""

    __slots__ = ()


class Period(Described):
    """A schedule."""

    __slots__ = ()


class Cron(Described):
    """A schedule."""

    __slots__ = ()


class Retries(Described):
    """How often a function is tried."""

    __slots__ = ()


class SchedulerPlacement(Described):
    """Where a function runs."""

    __slots__ = ()


class Error(Exception):
    """Base of the exceptions of `modal.exception`."""


class Silent:
    """A context manager that does nothing: output is enabled where there is any."""

    def __init__(self, *_: Any, **__: Any) -> None: ...
    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...
    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Silent


def is_local() -> bool:
    """Whether this is the user's machine, and not a container of the service's: always."""
    return True


def parameter(*, default: object = None, **_: Any) -> Any:
    """A field of a class."""
    return default if default is not None else Placeholder("modal.parameter()", ONLY_THERE)


def forward(*_: Any, **__: Any) -> Handle:
    """A tunnel, which exists where the script runs."""
    return Handle("modal.forward()")


def interact(*_: Any, **__: Any) -> None:
    """A shell for the user, which exists where the script runs."""
    raise EndedError("modal.interact()")


def raw_registry_image(tag: str, *args: Any, registry_secret: Any = None, **options: Any) -> Image:
    """An image of a registry, exactly as it is."""
    options.pop("credential_type", None)
    if registry_secret is not None:
        options["secret"] = registry_secret
    return Image.from_registry(tag, *args, **options)


def raw_dockerfile_image(path: Any, force_build: bool = False) -> Image:
    """What a Dockerfile builds, exactly as it is."""
    factory: Any = Image
    return factory.from_dockerfile(path, force_build=force_build)


def gpu(kind: str) -> Any:
    """A class of `modal.gpu`; its objects are the text that every `gpu=` takes today."""

    def describe(*_: Any, count: int = 1, size: object = None, memory: object = None, **__: Any) -> str:
        name = "any" if kind == "Any" else kind
        size = f"{memory}GB" if size is None and memory else size
        name += f"-{size}" if size else ""
        return name if count == 1 else f"{name}:{count}"

    return describe


_THINGS: tuple[Any, ...] = (
    *(
        App,
        CloudBucketMount,
        Cls,
        Client,
        Cron,
        Dict,
        Error,
        FilePatternMatcher,
        Function,
        FunctionCall,
        Image,
    ),
    *(Mount, NetworkFileSystem, Period, Proxy, Queue, Retries, Sandbox, SchedulerPlacement, Secret),
    *(SharedVolume, Stub, Tunnel, Volume, forward, interact, is_local, parameter),
)
_PUBLIC: dict[str, object] = {
    **{str(thing.__name__): thing for thing in _THINGS},
    "NON_PYTHON_FILES": NON_PYTHON_FILES,
    "__version__": VERSION,
    "build": BUILT.mark,
    "enable_output": Silent,
    "enable_remote_debugging": Silent,
}
_EXPERIMENTAL: dict[str, object] = {
    "raw_dockerfile_image": raw_dockerfile_image,
    "raw_registry_image": raw_registry_image,
}
_MODULES = (
    *("app", "call_graph", "cli", "client", "cloud_bucket_mount", "cls", "config", "container_process"),
    *("dict", "environments", "exception", "experimental", "file_io", "file_pattern_matcher", "functions"),
    *("gpu", "image", "io_streams", "mount", "network_file_system", "object", "output", "partial_function"),
    *("proxy", "queue", "retries", "runner", "sandbox", "schedule", "secret", "serving", "volume"),
)


class Library(ModuleType):
    """The module `modal`, or one of its modules: a name that is not known is a decorator, at least."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__ = []
        self.__all__ = [one for one in _PUBLIC if not one.startswith("_")] if name == LIBRARY else []
        part = name.rpartition(".")[2]
        self.__dict__.update(_EXPERIMENTAL if part == "experimental" else {} if part == "gpu" else _PUBLIC)
        self._llb_part = part

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name)
        if self._llb_part == "gpu":
            value: object = gpu(name)
        elif self._llb_part == "exception":
            value = type(name, (Error,), {"__module__": self.__name__})
        elif self.__name__ == LIBRARY and name in _MODULES:
            value = module(f"{LIBRARY}.{name}")
        else:
            value = Placeholder(f"{self.__name__}.{name}", ONLY_THERE)
        self.__dict__[name] = value
        return value


def module(name: str) -> Library:
    """The module of that name, made at its first use."""
    found = sys.modules.get(name)
    if not isinstance(found, Library):
        found = sys.modules[name] = Library(name)
        parent, _, part = name.rpartition(".")
        if parent:
            module(parent).__dict__[part] = found
    return found
