"""Chains, and the Dockerfiles of which BuildKit's own Dockerfile frontend must make the same vertices.

`dockerfile_definitions.json` holds what that frontend makes of each (`dockerfile_definitions.go` writes it).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llb.image import BuildOptions, Image

DIGEST = "sha256:" + "12" * 32

PYTHON_CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHON_VERSION=3.12.10"],
        "Cmd": ["python3"],
        "WorkingDir": "/",
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "34" * 32]},
    "history": [{"created_by": "debuerreotype"}],
}
"""What a registry says of the base."""

APP_CONFIG: dict[str, Any] = {
    **PYTHON_CONFIG,
    "config": {
        "Env": ["A=1", "B=2"],
        "User": "app:staff",
        "WorkingDir": "/srv/../data",
        "Shell": ["/bin/bash", "-euc"],
        "Entrypoint": ["/init"],
        "Cmd": ["serve"],
    },
}
"""A base that sets everything, but PATH."""


@dataclass(frozen=True)
class Case:
    dockerfile: str
    chain: Callable[[], Image]
    platform: str = "linux/amd64"
    config: Mapping[str, Any] = field(default_factory=lambda: PYTHON_CONFIG)
    digest: str = DIGEST
    lacks: tuple[str, ...] = ()
    options: BuildOptions = field(default_factory=BuildOptions)


def slim() -> Image:
    return Image.from_registry("python:3.12-slim")


APT = (
    "RUN --mount=type=cache,target=/var/cache/apt,sharing=locked "
    "--mount=type=cache,target=/var/lib/apt/lists,sharing=locked "
    "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "
    "-o Dir::Cache::Archives=/var/cache/apt/llb"
)
CONDA = (
    "RUN --mount=type=cache,target=/var/cache/llb/conda,sharing=locked,mode=0777,uid=57439 "
    'CONDA_PKGS_DIRS=/var/cache/llb/conda/"$(id -u)" micromamba install'
)
PIP = "RUN --mount=type=cache,target=/root/.cache/pip python -m pip install"
FROM = "FROM python:3.12-slim\n"

CASES: dict[str, Case] = {
    "base and a command": Case(FROM + "RUN make", lambda: slim().run_commands("make")),
    "debian_slim": Case(
        "FROM python:3.12.10-slim-bookworm\n"
        + f"{APT} gcc gfortran build-essential\n{PIP} --upgrade pip wheel uv\n"
        + "RUN echo 'debconf debconf/frontend select Noninteractive' | debconf-set-selections\n"
        + 'CMD ["sleep", "172800"]\nRUN make',
        lambda: Image.debian_slim("3.12").run_commands("make"),
    ),
    "micromamba": Case(
        "FROM mambaorg/micromamba:2.1.1-debian12-slim\n"
        + 'SHELL ["/usr/local/bin/_dockerfile_shell.sh"]\nENV MAMBA_DOCKERFILE_ACTIVATE=1\n'
        + f"{CONDA} -n base python=3.12 pip -c conda-forge --yes\n"
        + f'CMD ["sleep", "172800"]\n{CONDA} numpy \'gdal>=3\' -c conda-forge -c ./local --yes',
        lambda: Image.micromamba("3.12").micromamba_install(
            "numpy", "gdal>=3", channels=["conda-forge", "./local"]
        ),
        config=APP_CONFIG,
    ),
    "base without digest": Case(FROM + "RUN make", lambda: slim().run_commands("make"), digest=""),
    "base that sets everything": Case(
        FROM + "RUN make\nWORKDIR sub\nCOPY a /a",
        lambda: slim().run_commands("make").workdir("sub").add_local_file("a", "/a", copy=True),
        config=APP_CONFIG,
    ),
    "base of another registry, by digest": Case(
        f"FROM ghcr.io/owner/name@{DIGEST}\nRUN make",
        lambda: Image.from_registry(f"ghcr.io/owner/name@{DIGEST}").run_commands("make"),
    ),
    "another platform": Case(FROM + "RUN make", lambda: slim().run_commands("make"), platform="linux/arm64"),
    "a platform with variant": Case(
        FROM + "RUN make", lambda: slim().run_commands("make"), platform="linux/arm/v7"
    ),
    "several commands": Case(
        FROM + "RUN a && b\nRUN echo 'x  y' \"$HOME\"",
        lambda: slim().run_commands("a && b", "echo 'x  y' \"$HOME\""),
    ),
    "a command's own environment": Case(
        FROM + "ARG JOBS=4\nARG X=y\nRUN make",
        lambda: slim().run_commands("make", env={"JOBS": "4", "X": "y", "NONE": None}),
    ),
    "env": Case(
        FROM + 'ENV A=1 LANG=de\nENV A=2\nENV B="x y"\nRUN make',
        lambda: slim().env({"A": "1", "LANG": "de"}).env({"A": "2", "B": "x y"}).run_commands("make"),
    ),
    "env on PATH": Case(
        FROM + "ENV PATH=/x:$PATH\nENV C=${LANG}/\\$NOT\nRUN make",
        lambda: slim().env({"PATH": "/x:$PATH", "C": "${LANG}/$NOT"}).run_commands("make"),
    ),
    "workdir": Case(
        FROM + "WORKDIR /app\nWORKDIR sub/../other\nRUN make\nWORKDIR /\nRUN make",
        lambda: (
            slim()
            .workdir("/app")
            .workdir("sub/../other")
            .run_commands("make")
            .workdir("/")
            .run_commands("make")
        ),
    ),
    "workdir of a user": Case(
        FROM + "USER 1000:1000\nWORKDIR /home/x/\nRUN id",
        lambda: slim().user("1000:1000").workdir("/home/x/").run_commands("id"),
    ),
    "user by name": Case(
        FROM + "USER app\nWORKDIR /a\nRUN id\nUSER root\nWORKDIR /b",
        lambda: slim().user("app").workdir("/a").run_commands("id").user("root").workdir("/b"),
    ),
    "shell": Case(
        FROM + 'SHELL ["/bin/bash", "-c"]\nRUN a\nSHELL ["/bin/sh", "-c"]\nRUN b',
        lambda: slim().shell(["/bin/bash", "-c"]).run_commands("a").shell([]).run_commands("b"),
    ),
    "config only": Case(
        FROM + 'ENTRYPOINT ["/e"]\nCMD ["c", "d"]\nLABEL a=1 b=2\nRUN x',
        lambda: slim().entrypoint(["/e"]).cmd(["c", "d"]).labels({"a": "1", "b": "2"}).run_commands("x"),
    ),
    "how containers are treated": Case(
        FROM
        + "EXPOSE 8080 53/udp 8000-8002/sctp\nSTOPSIGNAL SIGQUIT\n"
        + "HEALTHCHECK --interval=10s --timeout=1500us --start-period=1m --start-interval=1s --retries=4 CMD curl $U\n"
        + "RUN x",
        lambda: (
            slim()
            .expose(8080, "53/udp", "8000-8002/sctp")
            .stop_signal("SIGQUIT")
            .healthcheck(
                "curl $U", interval=10, timeout=0.0015, start_period=60, start_interval=1.0, retries=4
            )
            .run_commands("x")
        ),
    ),
    "a health check without shell": Case(
        FROM + 'HEALTHCHECK CMD ["curl", "x"]', lambda: slim().healthcheck(["curl", "x"])
    ),
    "no health check": Case(FROM + "HEALTHCHECK NONE", lambda: slim().healthcheck(None)),
    "a base with a shell": Case(
        FROM + "RUN a\nENV A=1\nWORKDIR /w\nRUN b\n" + PIP + " six",
        lambda: slim().run_commands("a").env({"A": "1"}).workdir("/w").run_commands("b").pip_install("six"),
        config={**PYTHON_CONFIG, "config": {**PYTHON_CONFIG["config"], "Shell": ["/bin/bash", "-euc"]}},
    ),
    "files of another image": Case(
        "FROM golang:1 AS tools\nRUN make\n"
        + FROM
        + "COPY --from=tools /out/* /usr/bin/\nCOPY --from=tools /a /b\nRUN x",
        lambda: (
            slim()
            .copy_from(tools := Image.from_registry("golang:1").run_commands("make"), "/out/*", "/usr/bin/")
            .copy_from(tools, "/a", "/b")
            .run_commands("x")
        ),
    ),
    "files of what it starts from": Case(
        FROM.replace("\n", " AS start\n") + "RUN a\nFROM start\nRUN b\nCOPY --from=start /x /y",
        lambda: (start := slim().run_commands("a")).run_commands("b").copy_from(start, "/x", "/y"),
    ),
    "entrypoint after cmd": Case(
        FROM + 'CMD ["c"]\nENTRYPOINT ["/e"]\nRUN x',
        lambda: slim().cmd(["c"]).entrypoint(["/e"]).run_commands("x"),
    ),
    "apt_install": Case(
        FROM + APT + " git 'a b' libpq5=1.2-3",
        lambda: slim().apt_install("git", ["a b", "libpq5=1.2-3"]),
    ),
    "pip_install": Case(FROM + PIP + " a", lambda: slim().pip_install("a")),
    "pip_install with options": Case(
        FROM
        + PIP
        + " 'a[x]' 'b~=1.2' --find-links /w --index-url 'https://u:$T@x/' --extra-index-url https://y"
        + " --pre --no-deps",
        lambda: slim().pip_install(
            "b~=1.2",
            "a[x]",
            pre=True,
            index_url="https://u:$T@x/",
            extra_index_url="https://y",
            find_links="/w",
            extra_options="--no-deps",
        ),
    ),
    "cache namespace": Case(
        FROM + PIP + " a", lambda: slim().pip_install("a"), options=BuildOptions(cache_namespace="team")
    ),
    "copied files": Case(
        FROM + "COPY a.txt /x/\nCOPY b.txt /y\nCOPY d/e /z\nRUN ls",
        lambda: (
            slim()
            .add_local_file("a.txt", "/x/", copy=True)
            .add_local_file("./b.txt", "/y", copy=True)
            .add_local_dir("d/e/", "/z", copy=True)
            .run_commands("ls")
        ),
    ),
    "the whole context": Case(FROM + "COPY . /app", lambda: slim().add_local_dir(".", "/app", copy=True)),
    "an added file": Case(
        FROM + "RUN make\nCOPY a.txt /x/",
        lambda: slim().run_commands("make").add_local_file("a.txt", "/x/"),
    ),
    "added files without merge": Case(
        FROM + "RUN make\nCOPY a.txt /x/\nCOPY d /z",
        lambda: slim().run_commands("make").add_local_file("a.txt", "/x/").add_local_dir("d", "/z"),
        lacks=("mergeop",),
    ),
    "scratch": Case(
        "FROM scratch\nCOPY a /a\nCOPY b /b\nWORKDIR /w",
        lambda: (
            Image.from_scratch()
            .add_local_file("a", "/a", copy=True)
            .add_local_file("b", "/b", copy=True)
            .workdir("/w")
        ),
    ),
    "added on scratch": Case(
        "FROM scratch\nCOPY a /a", lambda: Image.from_scratch().add_local_file("a", "/a")
    ),
    "all options": Case(
        FROM + "RUN make\nWORKDIR /w\nCOPY a /a\n" + PIP + " a",
        lambda: (
            slim().run_commands("make").workdir("/w").add_local_file("a", "/a", copy=True).pip_install("a")
        ),
        options=BuildOptions(
            extra_hosts=(("h", "10.0.0.1"), ("i", "fe80::1")),
            network="host",
            ulimits=(("nofile", 10, 20), ("core", -1, -1)),
            shm_size=1 << 20,
            cgroup_parent="/c",
            hostname="box",
            image_resolve_mode="pull",
        ),
    ),
    "options that the engine lacks": Case(
        FROM + "RUN make",
        lambda: slim().run_commands("make"),
        options=BuildOptions(
            ulimits=(("nofile", 10, 20),), shm_size=1 << 20, cgroup_parent="/c", network="none"
        ),
        lacks=("exec.meta.ulimit", "exec.mount.tmpfs.size", "exec.meta.cgroup.parent"),
    ),
    "resolve mode local": Case(
        FROM + "RUN make",
        lambda: slim().run_commands("make"),
        options=BuildOptions(image_resolve_mode="local"),
    ),
    "a base without layers": Case(
        FROM + "COPY a /a",
        lambda: slim().add_local_file("a", "/a", copy=True),
        config={**PYTHON_CONFIG, "rootfs": {"type": "layers", "diff_ids": []}, "history": []},
    ),
}


def go_case(name: str, case: Case) -> dict[str, Any]:
    """The case as `dockerfile_definitions.go` reads it."""
    options = case.options
    return {
        "Name": name,
        "Dockerfile": case.dockerfile,
        "Platform": case.platform,
        "Config": case.config,
        "Digest": case.digest,
        "NoCaps": case.lacks,
        "Network": options.network,
        "Hosts": options.extra_hosts,
        "Ulimits": [{"Name": name, "Soft": soft, "Hard": hard} for name, soft, hard in options.ulimits],
        "Shm": options.shm_size,
        "Cgroup": options.cgroup_parent,
        "Hostname": options.hostname,
        "Namespace": options.cache_namespace,
        "Mode": options.image_resolve_mode,
    }


if __name__ == "__main__":
    print(json.dumps([go_case(name, case) for name, case in CASES.items()], indent=1))
