"""The options of `docker build` and `buildctl`, as our compiler takes them."""

from __future__ import annotations

import sys

from frontend.bases import default_platform, wished_platforms
from llb import _json
from llb._value import Value
from llb.errors import InvalidError
from llb.gateway import CacheImport
from llb.image import BuildOptions
from llb.image.options import FORCE_VARIABLES, is_forced
from llb.image.recipes import MIRROR_VARIABLE, PYTHON_ARGUMENT, VERSION_VARIABLES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from frontend.environment import Environment
    from llb.graph import LinuxResources, Platform, ProxyEnv

    _T = TypeVar("_T")

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
_TIMEOUT = "LLB_IMAGE_FILE_TIMEOUT"
_COMPAT = "LLB_COMPAT"
_OURS = (
    "SOURCE_DATE_EPOCH",
    _TIMEOUT,
    _COMPAT,
    PYTHON_ARGUMENT,
    MIRROR_VARIABLE,
    *VERSION_VARIABLES,
    *FORCE_VARIABLES,
)


class Options(Value):
    """What the build was asked for."""

    target: str
    platforms: tuple[Platform, ...]
    """At least one; without a wish, the daemon's own."""
    multi_platform: bool
    """Whether the result is one by platform, even if there is only one."""
    platform_wished: bool
    build_args: Mapping[str, str]
    no_cache: tuple[str, ...] | None
    """Targets that use no cached results; empty: all; None: none."""
    build: BuildOptions
    cache_imports: tuple[CacheImport, ...]
    timeout: float
    compat: bool
    """Whether `import modal` gives the recorder."""

    def for_target(self, name: str, platform: Platform) -> BuildOptions:
        """The compiler's options for one of the images."""
        no_cache = self.no_cache is not None and (not self.no_cache or name.lower() in self.no_cache)
        no_cache = no_cache or is_forced(self.build_args)
        prefix = str(platform) if self.multi_platform else ""
        return self.build.replace(no_cache=no_cache, progress_prefix=prefix)

    @property
    def epoch(self) -> int | None:
        return self.build.source_date_epoch

    def unused_build_args(self, declared: frozenset[str]) -> list[str]:
        """Arguments that were given but that the image file never asked for."""
        return [
            name
            for name in self.build_args
            if name not in declared
            and name not in _OURS
            and not name.startswith("BUILDKIT_")
            and name.lower() not in _PROXIES
        ]


def parse(environment: Environment) -> Options:
    """The options of a build.

    Raises:
        InvalidError: one of them has a wrong value.
    """
    options = environment.options
    build_args = environment.prefixed("build-arg:")
    platforms = _value("platform", options, lambda _: wished_platforms(environment), ())
    multi = _value("multi-platform", options, _boolean, len(platforms) > 1)
    multi = _value("BUILDKIT_MULTI_PLATFORM", build_args, _boolean, multi)
    if len(platforms) > 1 and not multi:
        raise InvalidError(
            "several platforms were asked for, and multi-platform=false", hint="Ask for one of them."
        )
    imports = _value("cache-imports", options, _cache_imports, ())
    for reference in filter(None, options.get("cache-from", "").split(",")):
        imports += (CacheImport("registry", (("ref", reference),)),)
    return Options(
        target=options.get("target", ""),
        platforms=platforms or (default_platform(environment),),
        multi_platform=multi,
        platform_wished=bool(platforms),
        build_args=build_args,
        no_cache=_value("no-cache", options, _no_cache, None),
        build=_build_options(environment, build_args),
        cache_imports=imports,
        timeout=_value(_TIMEOUT, build_args, _seconds, 60.0),
        compat=_value(_COMPAT, build_args, _boolean, True),
    )


def _build_options(environment: Environment, build_args: Mapping[str, str]) -> BuildOptions:
    options = environment.options
    versions = [build_args[name] for name in VERSION_VARIABLES if build_args.get(name)]
    return BuildOptions(
        builder_version=versions[0] if versions else "",
        python_version=build_args.get(PYTHON_ARGUMENT, ""),
        python_build_mirror=build_args.get(MIRROR_VARIABLE, ""),
        labels=tuple(environment.prefixed("label:").items()),
        extra_hosts=_value("add-hosts", options, _hosts, ()),
        network=_value("force-network-mode", options, _one_of("sandbox", "host", "none"), "sandbox"),
        ulimits=_value("ulimit", options, _ulimits, ()),
        shm_size=_value("shm-size", options, int, 0),
        cgroup_parent=options.get("cgroup-parent", ""),
        hostname=build_args.get("BUILDKIT_SANDBOX_HOSTNAME") or options.get("hostname", ""),
        linux_resources=_resources(options),
        proxy=_proxy(build_args),
        image_resolve_mode=_value(
            "image-resolve-mode", options, _one_of("default", "pull", "local"), "default"
        ),
        cache_namespace=build_args.get("BUILDKIT_CACHE_MOUNT_NS", ""),
        contexts=tuple(environment.prefixed("context:").items()),
        session=environment.session,
        local_sessions=tuple(environment.prefixed("local-sessionid:").items()),
        source_date_epoch=_value("SOURCE_DATE_EPOCH", build_args, _epoch, None),
    )


def _value(name: str, given: Mapping[str, str], parse_: Callable[[str], _T], default: _T) -> _T:
    """An option, parsed; an absent one, and mostly an empty one, is the default."""
    text = given.get(name, "")
    if not text and not (name == "no-cache" and name in given):
        return default
    try:
        return parse_(text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = error.message if isinstance(error, InvalidError) else ""
        hint = error.hint if isinstance(error, InvalidError) else ""
        raise InvalidError(
            f"the build option {name}={text} has a wrong value{why and ': ' + why}", hint=hint
        ) from None


def _boolean(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidError("it is true or false")


def _no_cache(text: str) -> tuple[str, ...]:
    return tuple([name.lower() for name in text.split(",") if name])


def _one_of(*known: str) -> Callable[[str], str]:
    def parse_(text: str) -> str:
        if text not in known:
            raise InvalidError(f"it is one of {', '.join(known)}")
        return text

    return parse_


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86400:
        raise InvalidError("it is a number of seconds")
    return seconds


def _epoch(text: str) -> int:
    epoch = int(text)
    if epoch < 0:
        raise InvalidError("it is a number of seconds since 1970")
    return epoch


def _fields(text: str) -> list[str]:
    """A line of comma-separated values."""
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text]))


def _hosts(text: str) -> tuple[tuple[str, str], ...]:
    from llb.graph.goformat import ip_address

    hosts: list[tuple[str, str]] = []
    for field in _fields(text):
        host, separator, address = field.lower().partition("=")
        if not separator:
            raise InvalidError(f"{field!r} is not HOST=ADDRESS")
        hosts.append((host, ip_address(address)))
    return tuple(hosts)


def _ulimits(text: str) -> tuple[tuple[str, int, int], ...]:
    limits: list[tuple[str, int, int]] = []
    for field in _fields(text):
        name, _, values = field.partition("=")
        soft, _, hard = values.partition(":")
        low, high = int(soft), int(hard or soft)
        if high != -1 and (low > high or low == -1):
            raise InvalidError(f"the soft limit of {name} is above the hard one")
        limits.append((name, low, high))
    return tuple(limits)


def _cache_imports(text: str) -> tuple[CacheImport, ...]:
    entries: list[dict[str, Any]] = _json.loads(text)
    return tuple([CacheImport(entry["Type"], _pairs(entry.get("Attrs") or {})) for entry in entries])


def _pairs(attrs: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(attrs.items()))


_RESOURCES = {
    "memory": "memory",
    "memswap": "memory_swap",
    "cpushares": "cpu_shares",
    "cpuperiod": "cpu_period",
    "cpuquota": "cpu_quota",
    "cpusetcpus": "cpuset_cpus",
    "cpusetmems": "cpuset_mems",
}


def _resources(options: Mapping[str, str]) -> LinuxResources | None:
    given: dict[str, Any] = {}
    for name, field in _RESOURCES.items():
        if options.get(name):
            given[field] = options[name] if name.startswith("cpuset") else _value(name, options, int, 0)
    if not given:
        return None
    from llb.graph import LinuxResources

    return LinuxResources(**given)


_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def _proxy(build_args: Mapping[str, str]) -> ProxyEnv | None:
    given = {
        sys.intern(name.lower()): value for name, value in build_args.items() if name.lower() in _PROXIES
    }
    if not given:
        return None
    from llb.graph import ProxyEnv

    return ProxyEnv(**given)
