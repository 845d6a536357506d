"""Build options as BuildKit's Dockerfile frontend takes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from llb.image import BuildOptions

_RESOURCES = {
    "memory": "memory",
    "memory_swap": "memswap",
    "cpu_shares": "cpushares",
    "cpu_period": "cpuperiod",
    "cpu_quota": "cpuquota",
    "cpuset_cpus": "cpusetcpus",
    "cpuset_mems": "cpusetmems",
}
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def dockerfile_options(build: BuildOptions) -> dict[str, str]:
    """The frontend's options for what a build was asked for."""
    options = {
        "add-hosts": _csv(f"{host}={address}" for host, address in build.extra_hosts),
        "ulimit": _csv(f"{name}={soft}:{hard}" for name, soft, hard in build.ulimits),
        "shm-size": str(build.shm_size) if build.shm_size > 0 else "",
        "cgroup-parent": build.cgroup_parent,
        "hostname": build.hostname,
        "force-network-mode": build.network if build.network != "sandbox" else "",
        "image-resolve-mode": build.image_resolve_mode if build.image_resolve_mode != "default" else "",
        "build-arg:BUILDKIT_CACHE_MOUNT_NS": build.cache_namespace,
        "build-arg:SOURCE_DATE_EPOCH": ""
        if build.source_date_epoch is None
        else str(build.source_date_epoch),
    }
    options |= {f"context:{name}": source for name, source in build.contexts}
    options |= {f"local-sessionid:{name}": session for name, session in build.local_sessions}
    if build.linux_resources is not None:
        limits = {option: getattr(build.linux_resources, field) for field, option in _RESOURCES.items()}
        options |= {option: str(limit) for option, limit in limits.items() if limit}
    if build.proxy is not None:
        options |= {f"build-arg:{name.upper()}": getattr(build.proxy, name) for name in _PROXIES}
    return {name: value for name, value in options.items() if value}


def _csv(values: Iterable[str]) -> str:
    fields = list(values)
    if not fields:
        return ""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
