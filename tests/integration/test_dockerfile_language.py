"""Dockerfile lines and Dockerfiles as steps of an image: BuildKit's own frontend does them, through both kinds of doors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.tools import Ran, Tools


def build(request: pytest.FixtureRequest, frontend: Tools, context: Path, door: str, *arguments: str) -> Ran:
    if door == "docker":
        request.getfixturevalue("docker")
        return frontend.docker_build(context, *arguments)
    return frontend.gateway(context, *arguments)


def test_lines_continue_the_chain_and_the_chain_continues_the_lines(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    context = project(
        """
        from llb import Image

        image = (
            Image.from_registry("busybox:latest")
            .env({"FIRST": "1"})
            .workdir("/srv")
            .dockerfile_commands(
                "ARG WHO=nobody",
                "COPY data.txt .",
                "RUN <<EOF",
                "echo $FIRST $WHO $(cat data.txt) > made",
                "EOF",
                'SHELL ["/bin/sh", "-ec"]',
                "ENV SECOND=2",
                build_args={"WHO": "me"},
            )
            .run_commands("echo $SECOND $(pwd) >> made; test \\"$(cat made)\\" = \\"$(printf '1 me data\\\\n2 /srv')\\"")
        )
        """,
        **{"data.txt": "data", ".dockerignore": "secret*", "secret.txt": "x"},
    )
    name = f"{frontend.registry}/test/language:lines"
    frontend.gateway(context, f"--output=type=image,name={name},push=true").ok()
    config = frontend.image_config(name)
    assert config["config"]["Env"][1:] == ["FIRST=1", "SECOND=2"]
    assert config["config"]["WorkingDir"] == "/srv"
    assert config["config"]["Shell"] == ["/bin/sh", "-ec"]
    layers = [entry["created_by"] for entry in config["history"] if not entry.get("empty_layer")]
    assert [layer.partition(" ")[0] for layer in layers[1:]] == ["WORKDIR", "COPY", "RUN", "RUN"]
    assert len(layers) == len(frontend.layers(name))


# -- one Dockerfile, three ways

FORTY_LINES = """\
# syntax=docker/dockerfile:1
ARG BASE=busybox:latest

FROM ${BASE} AS base
ARG NONCE
ENV APP_HOME=/srv/app \\
    GREETING="hello world"
WORKDIR ${APP_HOME}
LABEL org.example.nonce=$NONCE

FROM base AS build
ARG VERSION=1.0
RUN --mount=type=cache,target=/var/cache/build,sharing=locked \\
    echo ${VERSION} ${NONCE} > /var/cache/build/version && cp /var/cache/build/version version
COPY --chmod=0640 src/ src/
COPY <<EOF config.ini
[app]
version=${VERSION}
EOF
RUN <<EOF
set -e
mkdir -p out
cat version config.ini src/*.txt > out/app
EOF

FROM base AS assets
COPY --link assets /assets
RUN --mount=type=bind,from=build,source=/srv/app/out,target=/in --mount=type=tmpfs,target=/scratch \\
    cp /in/app /scratch/app && cp /scratch/app /assets/app.copy

FROM base AS final
COPY --link --from=build /srv/app/out/app /usr/local/share/app
COPY --from=assets /assets ./assets
SHELL ["/bin/sh", "-euc"]
RUN test "$GREETING" = "hello world" && cmp /usr/local/share/app assets/app.copy
EXPOSE 8080
VOLUME /data
USER 1000:1000
HEALTHCHECK --interval=30s CMD test -f /usr/local/share/app
ENTRYPOINT ["/bin/cat"]
CMD ["/usr/local/share/app"]
"""


@pytest.fixture
def forty_lines(project: Callable[..., Path], nonce: str) -> Path:
    return project(
        f"""
        from llb import Image

        image = Image.from_dockerfile("Dockerfile", build_args={{"NONCE": "{nonce}"}})
        """,
        **{"Dockerfile": FORTY_LINES, "src/a.txt": "a", "src/b.txt": "b", "assets/logo": "logo"},
    )


def test_a_dockerfile_of_forty_lines_is_the_same_image_three_ways(
    frontend: Tools, forty_lines: Path, nonce: str
) -> None:
    assert len(FORTY_LINES.splitlines()) >= 40
    names = [f"{frontend.registry}/test/forty:{way}" for way in ("theirs", "ours", "python")]
    outputs = [f"--output=type=image,name={name},push=true" for name in names]
    argument = f"--opt=build-arg:NONCE={nonce}"
    local = (f"--local=context={forty_lines}", f"--local=dockerfile={forty_lines}")
    built_in = ("--frontend=dockerfile.v0", "--opt=cmdline=built-in")  # no other frontend is fetched
    theirs = frontend.buildctl(*built_in, argument, *local, outputs[0], progress="rawjson").ok()
    ours = frontend.gateway(forty_lines, argument, outputs[1], file="Dockerfile", progress="rawjson").ok()
    python = frontend.gateway(forty_lines, outputs[2], progress="rawjson").ok()

    ran = [name for name in theirs.not_cached() if "RUN" in name or "COPY" in name]
    assert len(ran) >= 8
    assert ours.not_cached() == []
    assert python.not_cached() == []
    # What copies from the client's files has another digest in each build, as its session is in it.
    steps = [
        {vertex.name: digest for digest, vertex in way.steps().items() if _is_alone(vertex.name)}
        for way in (theirs, ours, python)
    ]
    assert len(steps[0]) == 3
    assert steps[0] == steps[1] == steps[2]
    configs = [frontend.image_config(name) for name in names]
    assert configs[0] == configs[1] == configs[2]
    assert configs[0]["config"]["Entrypoint"] == ["/bin/cat"]
    assert frontend.digest(names[0]) == frontend.digest(names[1]) == frontend.digest(names[2])


def _is_alone(name: str) -> bool:
    """Whether a vertex of the forty lines does not depend on the context."""
    return "FROM" in name or "WORKDIR" in name or "VERSION" in name or "1.0" in name


SANDWICH = """
    from llb import Image

    image = (
        Image.from_registry("busybox:latest")
        .run_commands("echo {nonce} > /one")
        .dockerfile_commands(
            "COPY data.txt /data.txt",
            "RUN --mount=type=tmpfs,target=/t echo two > /two",
            "WORKDIR /srv",
        )
        .run_commands("cat /one /two > three")
    )
"""
SANDWICH_DOCKERFILE = """
FROM busybox:latest
RUN echo {nonce} > /one
COPY data.txt /data.txt
RUN --mount=type=tmpfs,target=/t echo two > /two
WORKDIR /srv
RUN cat /one /two > three
"""


@pytest.mark.parametrize("first", ["dockerfile", "chain"])
def test_lines_between_steps_and_a_dockerfile_are_one_cache(
    frontend: Tools, project: Callable[..., Path], nonce: str, first: str
) -> None:
    context = project(
        SANDWICH.format(nonce=nonce),
        **{"Dockerfile": SANDWICH_DOCKERFILE.format(nonce=nonce), "data.txt": nonce},
    )
    files = ["Dockerfile", "image.py"] if first == "dockerfile" else ["image.py", "Dockerfile"]
    ran, cached = [frontend.gateway(context, file=file, progress="rawjson").ok() for file in files]
    assert len(ran.not_cached()) == 5
    assert cached.not_cached() == []


# -- what the user sees


def is_marked(seen: str, text: str) -> bool:
    """Whether an excerpt marks a line."""
    return any(">>>" in row and text in row for row in seen.splitlines())


BROKEN = {
    # what is wrong: (the Dockerfile, the line to mark, what is said)
    "a failing command": (
        "FROM busybox:latest\nRUN true\nRUN echo {nonce}; exit 7\n",
        "exit 7",
        "exit code: 7",
    ),
    "an unknown instruction": ("FROM busybox:latest\nRUNN true\n", "RUNN true", "unknown instruction: RUNN"),
    "an unknown base": ("FROM busybox:latest\nFROM nothing/like:this\n", "FROM nothing", "nothing/like:this"),
}


@pytest.mark.parametrize("door", ["docker", "buildctl"])
@pytest.mark.parametrize("what", BROKEN)
def test_a_mistake_in_a_dockerfile_is_shown_in_the_dockerfile(
    request: pytest.FixtureRequest,
    frontend: Tools,
    project: Callable[..., Path],
    nonce: str,
    what: str,
    door: str,
) -> None:
    text, line, says = BROKEN[what]
    context = project(
        "from llb import Image\nimage = Image.from_dockerfile('docker/Dockerfile').run_commands('true')\n",
        **{"docker/Dockerfile": text.format(nonce=nonce)},
    )
    seen = build(request, frontend, context, door).failed().stderr
    assert says in seen
    assert is_marked(seen, line), seen
    assert "docker/Dockerfile:" in seen
    assert "image.py:2" in seen


@pytest.mark.parametrize("door", ["docker", "buildctl"])
@pytest.mark.parametrize("line", ["RUN echo; exit 7", "RUNN true"])
def test_a_mistake_in_lines_is_shown_in_the_image_file(
    request: pytest.FixtureRequest, frontend: Tools, project: Callable[..., Path], line: str, door: str
) -> None:
    context = project(
        f"""
        from llb import Image

        image = Image.from_registry("busybox:latest").dockerfile_commands(
            "RUN true",
            "{line}",
        )
        """
    )
    seen = build(request, frontend, context, door).failed().stderr
    assert "image.py:5" in seen, seen
    assert is_marked(seen, f'    "{line}",'), seen


def test_lints_are_shown(docker: Tools, project: Callable[..., Path]) -> None:
    context = project(
        "from llb import Image\nimage = Image.from_registry('busybox').dockerfile_commands('ENV a b', 'CMD true')\n"
    )
    seen = docker.docker_build(context).ok().stderr
    assert "LegacyKeyValueFormat" in seen
    assert "JSONArgsRecommended" in seen
    assert "(line 3)" in seen  # the first is FROM base
