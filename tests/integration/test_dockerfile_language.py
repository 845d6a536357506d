"""Dockerfile lines and Dockerfiles as steps of an image: BuildKit's own frontend does them, through both kinds of doors."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from llb import Image, compile_to_llb
from llb.client import connect
from llb.errors import DockerfileError
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


# -- what COPY and ADD read


CONTEXTS = """
    from llb import Image

    base = Image.from_registry("busybox:latest")
    root = base.dockerfile_commands("COPY . /got", "RUN cd /got && find . -type f | sort > /list")
    directory = base.dockerfile_commands(
        "COPY *.txt sub /got/", "RUN cd /got && find . -type f | sort > /list", context_dir="app"
    )
    patterns = base.dockerfile_commands(
        "COPY . /got", "RUN cd /got && find . -type f | sort > /list", ignore=["**/*.md", "app/sub", "*.py"]
    )
    function = base.dockerfile_commands(
        "ADD . /got",
        "RUN cd /got && find . -type f | sort > /list",
        context_dir="app",
        ignore=lambda path: path.suffix == ".md",
    )
    files = base.dockerfile_commands(
        "COPY named top.txt /got/",
        "RUN --mount=type=bind,source=named,target=/n cat /n > /got/bound",
        "RUN cd /got && find . -type f | sort > /list",
        context_files={"/named": "app/a.txt"},
    )
    dockerfile = Image.from_dockerfile("app/Dockerfile")
    scoped = Image.from_dockerfile("app/Dockerfile", context_dir="app")
"""
FILES = {
    "Dockerfile.unused": "",
    "top.txt": "top",
    "top.md": "x",
    ".dockerignore": "top.md\nimage.py\n**/*.unused\n.dockerignore\n",
    "app/a.txt": "a",
    "app/b.md": "b",
    "app/sub/c.txt": "c",
    "app/Dockerfile": "FROM busybox:latest\nCOPY . /got\nRUN cd /got && find . -type f | sort > /list\n",
    "app/Dockerfile.dockerignore": "**/Dockerfile*\n**/*.md\n.dockerignore\nimage.py\n",
}
EXPECTED = {
    "root": "app/Dockerfile app/Dockerfile.dockerignore app/a.txt app/b.md app/sub/c.txt top.txt",
    "directory": "a.txt c.txt",
    "patterns": ".dockerignore Dockerfile.unused app/Dockerfile app/Dockerfile.dockerignore app/a.txt top.txt",
    "function": "Dockerfile Dockerfile.dockerignore a.txt sub/c.txt",
    "files": "bound named top.txt",
    "dockerfile": "app/a.txt app/sub/c.txt top.txt",
    "scoped": "a.txt sub/c.txt",
}


@pytest.mark.parametrize("target", EXPECTED)
def test_lines_copy_what_the_context_holds(
    frontend: Tools, project: Callable[..., Path], tmp_path: Path, target: str
) -> None:
    context = project(CONTEXTS, **FILES)
    out = tmp_path.parent / f"{tmp_path.name}-out"
    frontend.gateway(context, f"--opt=target={target}", f"--output=type=local,dest={out}").ok()
    assert (out / "list").read_text().replace("./", "").split() == EXPECTED[target].split()


# -- secrets, forced builds, build arguments, named contexts, ONBUILD


def test_secrets_and_env_reach_every_run_of_all_stages_and_no_layer(
    frontend: Tools, project: Callable[..., Path], nonce: str, tmp_path: Path
) -> None:
    context = project(
        f"""
        from llb import Image, Secret

        image = Image.from_dockerfile(
            "Dockerfile", secrets=[Secret.from_name("s", required_keys=["TOKEN"])], env={{"STAGE": "{nonce}"}}
        )
        """,
        Dockerfile=(
            "FROM busybox AS one\nRUN echo $STAGE ${#TOKEN} > /one\n"
            "FROM busybox\nCOPY --from=one /one /\nRUN echo $STAGE ${#TOKEN} > /two\n"
        ),
    )
    out = tmp_path / "out"
    (tmp_path / "token").write_text("12345")
    secret = f"--secret=id=s.TOKEN,src={tmp_path / 'token'}"
    frontend.gateway(context, secret, f"--output=type=local,dest={out}").ok()
    assert (out / "one").read_text() == (out / "two").read_text() == f"{nonce} 5\n"
    seen = frontend.gateway(context, "--no-cache").failed().stderr
    assert "--secret id=s.TOKEN" in seen


def test_force_build_reaches_the_lines_and_what_follows_and_nothing_before(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        f"""
        from llb import Image

        image = (
            Image.from_registry("busybox")
            .run_commands("echo {nonce}")
            .dockerfile_commands("RUN date +%N > /t", "RUN true", force_build=True)
            .run_commands("cat /t")
        )
        """
    )
    frontend.gateway(context).ok()
    again = frontend.gateway(context, progress="rawjson").ok().not_cached()
    assert len(again) == 3
    assert not any(nonce in name for name in again)


def test_build_arguments_of_the_build_reach_those_that_a_dockerfile_declares(
    docker: Tools, project: Callable[..., Path], tmp_path: Path
) -> None:
    context = project(
        "from llb import Image\nimage = Image.from_dockerfile('Dockerfile', build_args={'B': 'mine'})\n",
        Dockerfile="ARG BASE=nothing/like:this\nFROM $BASE\nARG A=0\nARG B=0\nRUN echo $A $B > /said\n",
    )
    out = tmp_path / "out"
    arguments = [f"--build-arg={one}" for one in ("BASE=busybox", "A=1", "B=2", "C=3")]
    seen = docker.docker_build(context, *arguments, f"--output={out}").ok().stderr
    assert (out / "said").read_text() == "1 mine\n"
    assert "does not use the build arguments C:" in seen
    assert "not consumed" not in seen


def test_named_contexts_of_the_build_are_those_of_the_lines(
    docker: Tools, project: Callable[..., Path], tmp_path: Path
) -> None:
    context = project(
        """
        from llb import Image

        image = Image.from_registry("busybox").dockerfile_commands(
            "COPY --from=shared /x /x", "COPY --from=tools /bin/busybox /tool", "RUN cat /x"
        )
        """
    )
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "x").write_text("shared")
    out = tmp_path / "out"
    docker.docker_build(
        context,
        f"--build-context=shared={shared}",
        "--build-context=tools=docker-image://busybox:latest",
        f"--output={out}",
    ).ok()
    assert (out / "x").read_text() == "shared"
    assert (out / "tool").stat().st_size > 1000


def test_onbuild_lines_of_a_base_are_run_before_the_lines_that_follow(
    frontend: Tools, project: Callable[..., Path], nonce: str, tmp_path: Path
) -> None:
    name = f"{frontend.registry}/test/language:onbuild-{nonce[-12:]}"
    trigger = project(
        Dockerfile="FROM busybox\nONBUILD COPY data /data\nONBUILD RUN echo first >> /data\n", data="0\n"
    )
    frontend.gateway(trigger, f"--output=type=image,name={name},push=true", file="Dockerfile").ok()
    context = project(
        f"""
        from llb import Image

        image = Image.from_registry("{name}").dockerfile_commands("RUN echo second >> /data").run_commands("true")
        """
    )
    out = tmp_path / "out"
    frontend.gateway(context, f"--output=type=local,dest={out}").ok()
    assert (out / "data").read_text() == "0\nfirst\nsecond\n"


def test_target_names_a_stage(frontend: Tools, project: Callable[..., Path], tmp_path: Path) -> None:
    context = project(
        "from llb import Image\nimage = Image.from_dockerfile('Dockerfile', target='one').run_commands('cat /one')\n",
        Dockerfile="FROM busybox AS one\nRUN echo 1 > /one\nFROM one AS two\nRUN false\n",
    )
    frontend.gateway(context).ok()
    context = project(
        "from llb import Image\nimage = Image.from_dockerfile('Dockerfile', target='three')\n",
    )
    seen = frontend.gateway(context).failed().stderr
    assert "three" in seen
    assert "image.py:2" in seen


def test_each_platform_has_its_own(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        """
        from llb import Image

        image = Image.from_scratch().env({"A": "b"}).dockerfile_commands(
            "FROM --platform=$BUILDPLATFORM busybox AS tools",
            "ARG TARGETARCH",
            "RUN echo $TARGETARCH > /arch",
            "FROM base",
            "COPY --from=tools /arch /arch",
            "ARG TARGETPLATFORM",
            "ENV BUILT_FOR=$TARGETPLATFORM",
        )
        """
    )
    name = f"{frontend.registry}/test/language:platforms"
    output = f"--output=type=image,name={name},push=true"
    frontend.gateway(context, "--opt=platform=linux/amd64,linux/arm64", output).ok()
    for arch in ("amd64", "arm64"):
        config = frontend.image_config(name, f"linux/{arch}")
        assert config["architecture"] == arch
        assert {"A=b", f"BUILT_FOR=linux/{arch}"} <= set(config["config"]["Env"])
        assert arch.encode() in gzip.decompress(frontend.layers(name, f"linux/{arch}")[-1])


def test_another_frontend_that_a_syntax_line_names_is_asked(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    # The only other frontend in reach is our own, which hands a Dockerfile on.
    context = project(
        f"""
        from llb import Image

        image = Image.from_registry("busybox").dockerfile_commands(
            "# syntax={frontend.frontend}", "RUN echo {nonce}; exit 7"
        )
        """
    )
    seen = frontend.gateway(context).failed().stderr
    assert "exit code: 7" in seen
    assert is_marked(seen, "RUN echo"), seen
    context = project(
        "from llb import Image\nimage = Image.from_registry('busybox').dockerfile_commands('# syntax=no/such:frontend', 'RUN true')\n"
    )
    assert "no/such:frontend" in frontend.gateway(context).failed().stderr


# -- the Python door


def test_from_python_an_engine_makes_a_definition_that_buildctl_builds(
    engine: Tools, project: Callable[..., Path], nonce: str, tmp_path: Path
) -> None:
    context = project(
        **{"data.txt": nonce, "other": "x", ".dockerignore": "other", "Dockerfile": "FROM busybox\n"}
    )
    image = (
        Image.from_dockerfile("Dockerfile")
        .run_commands("echo 1 > /one")
        .dockerfile_commands("COPY * /got/", "RUN cat /one >> /got/data.txt")
        .run_commands("ls /got > /list")
    )
    with connect(engine.env["BUILDKIT_HOST"]) as client, client.resolver(context) as resolver:
        definition = compile_to_llb(image, resolver=resolver)
        with pytest.raises(DockerfileError, match="unknown instruction: RUNN") as caught:
            compile_to_llb(image.dockerfile_commands("RUNN"), resolver=resolver)
    assert caught.value.location is not None
    assert caught.value.location.filename == __file__
    out = tmp_path / "out"
    engine.buildctl(
        f"--local=context={context}", f"--output=type=local,dest={out}", stdin=definition.to_bytes()
    ).ok()
    assert (out / "got/data.txt").read_text() == f"{nonce}1\n"
    assert (out / "list").read_text().split() == ["Dockerfile", "data.txt"]


def test_setup_lines_of_a_base_and_a_build_from_python_with_a_session(
    engine: Tools, project: Callable[..., Path], nonce: str, tmp_path: Path
) -> None:
    context = project(
        **{
            "data.txt": f"{nonce}\n",
            ".dockerignore": "other",
            "other": "x",
            "Dockerfile": "FROM busybox\nCOPY . /got\n",
        }
    )
    setup = ["RUN echo $(pwd) > /setup", "WORKDIR /srv", "COPY data.txt ."]
    first = Image.from_registry("busybox", setup_dockerfile_commands=setup)
    second = Image.from_dockerfile("Dockerfile").run_commands("ls -A /got > /list")
    image = first.copy_from(second, "/list", "/srv/list").run_commands("cat list data.txt /setup > all")
    out = tmp_path / "out"
    image.build(engine=engine.env["BUILDKIT_HOST"], context=context, output=out, progress="quiet")
    assert (out / "srv/all").read_text().split() == [".dockerignore", "Dockerfile", "data.txt", nonce, "/"]


# -- a Dockerfile handed to our frontend


def test_lints_and_outline_of_a_dockerfile_are_those_of_buildkit(
    docker: Tools, project: Callable[..., Path]
) -> None:
    text = "# what it is\nARG WHO=you\nFROM busybox as one\nARG WHO\nRUN --mount=type=secret,id=key,required true\n"
    context = project(Dockerfile=text)
    outline = docker.docker_build(context, "--call=outline", file="Dockerfile").ok().text
    for name in ("WHO", "you", "key", "one"):
        assert name in outline
    checked = docker.docker_build(context, "--check", file="Dockerfile").failed().text
    assert "FromAsCasing" in checked
    assert is_marked(checked, "FROM busybox as one")
