"""The config of an OCI image: what a container of it runs, where, as whom, and with which environment.

Source: https://github.com/opencontainers/image-spec/blob/main/config.md, and what Docker adds to it (`Shell`,
`OnBuild`, `Healthcheck`): https://github.com/moby/docker-image-spec
"""

from __future__ import annotations

from llb import _json as json
from llb._value import Value, slot_setters
from llb.errors import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["DEFAULT_PATH", "History", "ImageConfig", "timestamp"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of an image that sets none, as BuildKit's Dockerfile frontend has it."""


class History(Value):
    """What made a layer, or changed the config only (`empty_layer`)."""

    created_by: str
    empty_layer: bool = False
    comment: str = "llb"
    created: str = ""
    author: str = ""

    # By hand, as one is made for each step of a chain: a third of the general constructor's time.
    def __init__(
        self,
        created_by: str,
        empty_layer: bool = False,
        comment: str = "llb",
        created: str = "",
        author: str = "",
    ) -> None:
        _set_created_by(self, created_by)
        _set_empty_layer(self, empty_layer)
        _set_comment(self, comment)
        _set_created(self, created)
        _set_author(self, author)


_set_created_by, _set_empty_layer, _set_comment, _set_created, _set_author = slot_setters(History)


class ImageConfig(Value):
    """An image config as a value. Keys that this class does not know survive reading and writing.

    `cmd` and `entrypoint` are None where the image sets none. Sets (`volumes`, `exposed_ports`) and mappings
    (`labels`) keep the order in which they were given; the JSON is sorted.
    """

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    workdir: str = ""
    user: str = ""
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    shell: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    on_build: tuple[str, ...] = ()
    healthcheck: str = ""
    """As JSON, empty if there is none."""
    created: str = ""
    author: str = ""
    diff_ids: tuple[str, ...] | None = None
    """The layers; None if the document does not speak of them."""
    history: tuple[History, ...] = ()
    other: tuple[tuple[str, str], ...] = ()
    """Unknown keys of the document and their JSON."""
    other_config: tuple[tuple[str, str], ...] = ()
    """Unknown keys of its `config` object and their JSON."""

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """The environment as names and values, in the config's order."""
        return tuple([(name, value) for name, _, value in (entry.partition("=") for entry in self.env)])

    @property
    def is_empty(self) -> bool:
        """Whether the image is known to have no layer at all."""
        return self.diff_ids == () and all(entry.empty_layer for entry in self.history)

    def with_env(self, name: str, value: str) -> ImageConfig:
        """With a variable: in place of an older value, otherwise at the end."""
        entry = f"{name}={value}"
        kept = [entry if old.partition("=")[0] == name else old for old in self.env]
        return self.replace(env=(*kept,) if entry in kept else (*kept, entry))

    def with_labels(self, labels: Iterable[tuple[str, str]]) -> ImageConfig:
        """With labels; those of the same name are replaced."""
        return self.replace(labels=tuple((dict(self.labels) | dict(labels)).items()))

    @staticmethod
    def from_json(data: bytes | str) -> ImageConfig:
        """Read a config.

        Raises:
            InvalidError: it is not a JSON object, or a known key has a value of another kind.
        """
        try:
            document = _object(json.loads(data), "the config")
        except ValueError as error:
            if isinstance(error, InvalidError):
                raise
            raise InvalidError(f"an image config that is not JSON: {error}") from None
        config = _object(document.pop("config", None), "config")
        rootfs = _object(document.pop("rootfs", None), "rootfs")
        healthcheck = config.pop("Healthcheck", None)
        known: dict[str, Any] = {
            **{field: _text(document.pop(key, None), key) for field, key in _DOCUMENT_TEXTS},
            **{field: _text(config.pop(key, None), key) for field, key in _CONFIG_TEXTS},
            **{field: _texts(config.pop(key, None), key) or () for field, key in _CONFIG_LISTS},
            **{field: tuple(_object(config.pop(key, None), key)) for field, key in _CONFIG_SETS},
            "os_features": _texts(document.pop("os.features", None), "os.features") or (),
            "entrypoint": _texts(config.pop("Entrypoint", None), "Entrypoint") or None,
            "cmd": _texts(config.pop("Cmd", None), "Cmd") or None,
            "labels": tuple(
                [
                    (key, _text(value, key))
                    for key, value in _object(config.pop("Labels", None), "Labels").items()
                ]
            ),
            "healthcheck": "" if healthcheck is None else _dump(healthcheck),
            "diff_ids": (_texts(rootfs.get("diff_ids"), "diff_ids") or ()) if rootfs else None,
            "history": tuple([_history(entry) for entry in _list(document.pop("history", None), "history")]),
        }
        return ImageConfig(
            **known,
            other=tuple([(key, _dump(value)) for key, value in document.items()]),
            other_config=tuple([(key, _dump(value)) for key, value in config.items()]),
        )

    def to_json(self) -> bytes:
        """The config as JSON: sorted keys, no spaces, nothing that is empty."""
        config: dict[str, object] = {key: json.loads(value) for key, value in self.other_config}
        config |= {
            key: getattr(self, field)
            for field, key in (*_CONFIG_TEXTS, *_CONFIG_LISTS)
            if getattr(self, field)
        }
        config |= {
            key: {member: {} for member in getattr(self, field)}
            for field, key in _CONFIG_SETS
            if getattr(self, field)
        }
        config |= {key: value for key, value in (("Entrypoint", self.entrypoint), ("Cmd", self.cmd)) if value}
        if self.labels:
            config["Labels"] = dict(self.labels)
        if self.healthcheck:
            config["Healthcheck"] = json.loads(self.healthcheck)
        document: dict[str, object] = {key: json.loads(value) for key, value in self.other}
        document |= {key: getattr(self, field) for field, key in _DOCUMENT_TEXTS if getattr(self, field)}
        if self.os_features:
            document["os.features"] = self.os_features
        document["config"] = config
        document["rootfs"] = {"type": "layers", "diff_ids": self.diff_ids or ()}
        if self.history:
            document["history"] = [_history_json(entry) for entry in self.history]
        return _dump(document).encode()


_DOCUMENT_TEXTS = (
    ("os", "os"),
    ("architecture", "architecture"),
    ("variant", "variant"),
    ("os_version", "os.version"),
    ("created", "created"),
    ("author", "author"),
)
_CONFIG_TEXTS = (("user", "User"), ("workdir", "WorkingDir"), ("stop_signal", "StopSignal"))
_CONFIG_LISTS = (("env", "Env"), ("shell", "Shell"), ("on_build", "OnBuild"))
_CONFIG_SETS = (("exposed_ports", "ExposedPorts"), ("volumes", "Volumes"))


def timestamp(epoch: int) -> str:
    """Seconds since 1970 as the config writes times: `1970-01-01T00:00:00Z`."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _object(value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidError(f"an image config in which {what} is not an object")
    return dict(value)  # pyright: ignore[reportUnknownArgumentType]


def _list(value: object, key: str) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidError(f"{key} of an image config is not a list")
    return value  # pyright: ignore[reportUnknownVariableType]


def _text(value: Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidError(f"an image config in which {what} is not a string")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidError(f"an image config in which {what} is not a list of strings")
    return tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _history(value: Any) -> History:
    entry = _object(value, "history")
    return History(
        created_by=_text(entry.get("created_by"), "created_by"),
        empty_layer=bool(entry.get("empty_layer")),
        comment=_text(entry.get("comment"), "comment"),
        created=_text(entry.get("created"), "created"),
        author=_text(entry.get("author"), "author"),
    )


def _history_json(entry: History) -> Mapping[str, object]:
    fields = ("created_by", "empty_layer", "comment", "created", "author")
    return {field: getattr(entry, field) for field in fields if getattr(entry, field)}
