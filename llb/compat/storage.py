"""Secrets, volumes and buckets of a script: ours, with the names and keywords that only the service knows."""

from __future__ import annotations

from llb.compat.handles import Handle
from llb.image import Secret as _Secret
from llb.image.buckets import CloudBucketMount as _CloudBucketMount
from llb.image.volumes import NetworkFileSystem as _NetworkFileSystem
from llb.image.volumes import Volume as _Volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Secret(_Secret):
    """Our secret; keywords that only the service understands are dropped."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, env_dict: Any = None, **_: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().from_dict({} if env_dict is None else env_dict)

    @classmethod
    def from_dotenv(cls, path: Any = None, *, filename: str = ".env", **_: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().from_dotenv(path, filename=filename)

    @classmethod
    def from_local_environ(cls, env_keys: Any, **_: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().from_local_environ(env_keys)

    @classmethod
    def from_name(cls, name: str, **options: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        kept = {key: options[key] for key in ("environment_name", "required_keys") if options.get(key)}
        return super().from_name(name, **kept)

    lookup = from_name
    create_deployed = delete = Handle("Secret.create_deployed")


class Volume(_Volume):
    """Our volume; what only a running one can do ends the evaluation."""

    @classmethod
    def from_name(cls, name: str, *, environment_name: str | None = None, **_: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().from_name(name, environment_name=environment_name)

    lookup = persisted = from_name

    @classmethod
    def new(cls) -> Any:
        """What a volume without a name was called before."""
        return cls.ephemeral()

    create_deployed = delete = rename = objects = Handle("Volume.objects")

    def __getattr__(self, name: str) -> Any:
        return _of_running("Volume", name)


class NetworkFileSystem(_NetworkFileSystem):
    """Ours, likewise."""

    @classmethod
    def from_name(cls, name: str, *, environment_name: str | None = None, **_: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().from_name(name, environment_name=environment_name)

    lookup = persisted = from_name
    create_deployed = delete = ephemeral = Handle("NetworkFileSystem.delete")

    def __getattr__(self, name: str) -> Any:
        return _of_running("NetworkFileSystem", name)


class CloudBucketMount(_CloudBucketMount):
    """Ours, but checked only where a step gets it: a function's may be what only the service has."""

    def __init__(self, bucket_name: Any, bucket_endpoint_url: Any = None, **options: Any) -> None:
        known = type(self).__value_fields__
        kept = {name: value for name, value in options.items() if name in known}
        super().__init__(bucket_name, bucket_endpoint_url, **kept)

    def __post_init__(self) -> None: ...

    def check(self) -> None:
        """Refuses what ours refuses.

        Raises:
            LLBError: it cannot be mounted here.
        """
        super().__post_init__()


def _of_running(kind: str, name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"{kind} has no attribute {name!r}", name=name)
    return Handle(f"{kind}.{name}")
