"""Bases: which image a chain starts from, and what its config gives to the steps."""

from __future__ import annotations

import json

import pytest

from llb import Image
from llb.errors import BaseError, InvalidError, LLBError, UnsupportedError
from llb.graph import image, marshal
from llb.image import BuildOptions, ResolvedContext, bases_of
from tests.unit.image.vertices import Answers, base, compiled

DIGEST = "sha256:" + "ab" * 32
CONFIG = {
    "os": "linux",
    "architecture": "amd64",
    "config": {
        "Env": ["PATH=/opt:/bin", "A=1"],
        "WorkingDir": "/srv",
        "User": "app",
        "Shell": ["/bin/bash", "-c"],
    },
    "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]},
    "history": [{"created_by": "base"}],
    "created": "2024-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("3.10", "3.10.17-slim-bookworm"),
        ("3.11", "3.11.12-slim-bookworm"),
        ("3.12", "3.12.10-slim-bookworm"),
        ("3.13", "3.13.3-slim-bookworm"),
        ("3.14", "3.14.2-slim-bookworm"),
        ("3.12.4", "3.12.4-slim-bookworm"),
        ("3.14.0rc1", "3.14.0rc1-slim-bookworm"),
        (None, "3.12.10-slim-bookworm"),
    ],
)
def test_debian_slim_is_a_python_of_docker_hub(version: str | None, tag: str) -> None:
    options = BuildOptions(python_version="3.12")
    sources = compiled(Image.debian_slim(version), options=options).sources
    assert sources == [f"docker-image://docker.io/library/python:{tag}"]


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("3.9", ["Unsupported Python version", "3.10, 3.11, 3.12, 3.13, 3.14", "from_registry"]),
        ("3.99", ["Unsupported Python version"]),
        ("2.7", ["Invalid Python version"]),
        ("3", ["Invalid Python version"]),
        ("3.", ["Invalid Python version"]),
        ("3.x", ["Invalid Python version"]),
        ("3.12.", ["Invalid Python version"]),
        ("3.12-slim", ["Invalid Python version"]),
        ("python3.12", ["Invalid Python version"]),
        (" 3.12", ["Invalid Python version"]),
        ("3.1２", ["Invalid Python version"]),
        ("3.14t", ["Free threaded Python is not supported", '"3.14"']),
    ],
)
def test_a_version_that_is_not_available_is_refused_when_it_is_compiled(
    version: str, words: list[str]
) -> None:
    chain = Image.debian_slim(version)
    with pytest.raises(InvalidError) as caught:
        compiled(chain)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.step == "debian_slim"
    assert caught.value.location is not None


@pytest.mark.parametrize(
    ("tag", "full"),
    [
        ("debian", "docker.io/library/debian:latest"),
        ("debian:12-slim", "docker.io/library/debian:12-slim"),
        ("owner/name", "docker.io/owner/name:latest"),
        ("ghcr.io/owner/name:1.2", "ghcr.io/owner/name:1.2"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}"),
    ],
)
def test_a_tag_is_an_image_of_a_registry(tag: str, full: str) -> None:
    assert compiled(Image.from_registry(tag)).sources == [f"docker-image://{full}"]


@pytest.mark.parametrize("tag", ["Debian", "a b", "a:", "https://x/y", "a@sha256:1"])
def test_what_is_no_reference_is_refused_when_it_is_compiled(tag: str) -> None:
    with pytest.raises(InvalidError) as caught:
        compiled(Image.from_registry(tag))
    assert caught.value.step == "from_registry"
    assert caught.value.hint


def test_a_known_base_is_pinned_and_gives_its_environment() -> None:
    resolver = Answers(config=CONFIG, digest=DIGEST)
    result = compiled(base().run_commands("x"), resolver)
    assert result.sources == [f"docker-image://docker.io/library/debian:12@{DIGEST}"]
    [run] = result.execs
    assert list(run.meta.env) == ["PATH=/opt:/bin", "A=1"]
    assert (run.meta.cwd, run.meta.user, list(run.meta.args)) == ("/srv", "app", ["/bin/bash", "-c", "x"])
    assert resolver.asked == ["docker.io/library/debian:12 linux/amd64"]
    assert result.history == ["base", "RUN /bin/bash -c x # buildkit"]
    assert "created" not in result.document


def test_an_unknown_base_has_documented_defaults() -> None:
    result = compiled(base().run_commands("x"))
    [run] = result.execs
    assert list(run.meta.env) == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    assert (run.meta.cwd, run.meta.user, list(run.meta.args)) == ("/", "", ["/bin/sh", "-c", "x"])
    assert result.config == {"Env": list(run.meta.env), "WorkingDir": "/"}


def test_what_is_known_of_bases_comes_back() -> None:
    definition = compiled(base(), Answers(config=CONFIG, digest=DIGEST), platform="linux/arm64").definition
    [known] = definition.bases
    assert (known.reference, known.digest) == ("docker.io/library/debian:12", DIGEST)
    assert str(known.platform) == "linux/arm64"
    assert json.loads(definition.base_config) == CONFIG
    assert compiled(base()).definition.bases == ()


def test_bases_can_be_asked_for_before_compiling() -> None:
    [(reference, platform)] = bases_of(Image.debian_slim("3.12").run_commands("x"), platform="linux/arm64")
    assert (reference, str(platform)) == ("docker.io/library/python:3.12.10-slim-bookworm", "linux/arm64")
    assert bases_of(Image.from_scratch()) == ()


def test_a_resolver_is_told_all_bases_before_it_is_asked() -> None:
    class Prefetching(Answers):
        def prefetch(self, bases: object) -> None:
            self.asked.append(f"prefetch {len(bases)}")  # pyright: ignore[reportArgumentType]

    resolver = Prefetching(config=CONFIG)
    compiled(base(), resolver)
    assert resolver.asked == ["prefetch 1", "docker.io/library/debian:12 linux/amd64"]


def test_a_base_that_cannot_be_had() -> None:
    class Refusing(Answers):
        def base(self, reference: str, platform: object) -> None:
            raise BaseError(f"{reference}: not found", hint="Is the tag right?")

    with pytest.raises(BaseError, match="not found") as caught:
        compiled(base(), Refusing())
    assert caught.value.step == "from_registry"
    assert caught.value.location is not None


def test_a_config_that_is_none() -> None:
    with pytest.raises(BaseError, match="cannot be a base"):
        compiled(base(), Answers(config={"config": {"Env": "x"}}))


class TestNamedContexts:
    @pytest.mark.parametrize("name", ["debian:12", "debian:12::linux/amd64"])
    def test_one_replaces_a_base(self, name: str) -> None:
        options = BuildOptions(contexts=((name, "docker-image://ghcr.io/o/other"),))
        resolver = Answers(config=CONFIG, digest=DIGEST)
        result = compiled(base().run_commands("x"), resolver, options=options)
        assert result.sources == ["docker-image://ghcr.io/o/other:latest"]
        assert result.execs[0].meta.cwd == "/srv"
        assert resolver.asked == ["ghcr.io/o/other:latest linux/amd64"]

    def test_latest_is_not_written(self) -> None:
        options = BuildOptions(contexts=(("owner/name", "docker-image://debian:1"),))
        assert compiled(Image.from_registry("owner/name:latest"), options=options).sources == [
            "docker-image://docker.io/library/debian:1"
        ]

    def test_another_platforms_does_not(self) -> None:
        options = BuildOptions(contexts=(("debian:12::linux/arm64", "docker-image://x"),))
        assert compiled(base(), options=options).sources == ["docker-image://docker.io/library/debian:12"]

    def test_the_resolver_knows_other_kinds(self) -> None:
        definition = marshal(image("busybox").run(["made"]).root)
        context = ResolvedContext(definition, json.dumps(CONFIG).encode())
        resolver = Answers(named=context)
        options = BuildOptions(contexts=(("debian:12", "input:base"),))
        result = compiled(base().run_commands("x"), resolver, options=options)
        assert resolver.asked == ["debian:12=input:base linux/amd64"]
        assert [list(run.meta.args)[-1] for run in result.execs] == ["made", "x"]
        assert result.execs[1].meta.cwd == "/srv"

    def test_a_kind_that_nobody_can_have_here(self) -> None:
        options = BuildOptions(contexts=(("debian:12", "oci-layout://x@" + DIGEST),))
        with pytest.raises(UnsupportedError, match="debian:12=oci-layout") as caught:
            compiled(base(), options=options)
        assert "--build-context debian:12=docker-image://" in caught.value.hint

    def test_a_source_that_is_no_image(self) -> None:
        options = BuildOptions(contexts=(("debian:12", "docker-image://No Image"),))
        with pytest.raises(InvalidError):
            compiled(base(), options=options)


def test_nothing_as_base() -> None:
    result = compiled(Image.from_scratch())
    assert result.definition.to_bytes() == b""
    assert result.definition.digest == ""
    assert result.document["os"] == "linux"


@pytest.mark.parametrize("step", ["run_commands", "apt_install", "pip_install"])
def test_nothing_runs_on_nothing(step: str) -> None:
    chain = getattr(Image.from_scratch(), step)("x")
    with pytest.raises(InvalidError, match="nothing in the image"):
        compiled(chain)


class TestPlatforms:
    @pytest.mark.parametrize(
        ("platform", "expected"),
        [
            (None, ("linux", "amd64", None)),
            ("linux/amd64", ("linux", "amd64", None)),
            ("linux/x86_64", ("linux", "amd64", None)),
            ("arm64", ("linux", "arm64", None)),
            ("linux/arm64/v8", ("linux", "arm64", None)),
            ("linux/arm/v6", ("linux", "arm", "v6")),
        ],
    )
    def test_the_config_says_what_was_asked_for(
        self, platform: str | None, expected: tuple[str, str, str | None]
    ) -> None:
        result = compiled(base().run_commands("x"), Answers(config=CONFIG), platform=platform)
        document = result.document
        assert (document["os"], document["architecture"], document.get("variant")) == expected
        assert {(op.platform.OS, op.platform.Architecture) for op in result.ops} == {expected[:2]}

    @pytest.mark.parametrize("platform", ["", "linux/", "macintosh", "linux/amd64/v1/x"])
    def test_what_is_no_platform_is_refused(self, platform: str) -> None:
        with pytest.raises(LLBError, match="not a platform"):
            compiled(base(), platform=platform)

    def test_installers_are_for_linux(self) -> None:
        with pytest.raises(UnsupportedError, match="apt_install needs a Linux image"):
            compiled(base().apt_install("x"), platform="windows/amd64")

    def test_the_shell_of_windows(self) -> None:
        result = compiled(base().run_commands("x"), platform="windows/amd64")
        assert list(result.execs[0].meta.args) == ["cmd", "/S", "/C", "x"]
        assert list(result.execs[0].meta.env) == []


class TestForceBuild:
    @pytest.mark.parametrize(
        "chain",
        [
            Image.from_registry("x", force_build=True),
            Image.debian_slim("3.12", force_build=True),
            base().run_commands("first", force_build=True),
            base().pip_install("first", force_build=True),
            base().apt_install("first", force_build=True),
        ],
    )
    def test_it_reaches_every_descendant(self, chain: Image) -> None:
        later = (
            chain.env({"A": "1"})
            .workdir("/w")
            .run_commands("a")
            .pip_install("b")
            .add_local_file("c", "/c", copy=True)
            .apt_install("d")
            .add_local_file("e", "/e")
        )
        result = compiled(later)
        forced = dict(zip(result.names, result.ignoring_cache, strict=True))
        made = [name for name in forced if "from_registry" not in name and "debian_slim" not in name]
        assert [name for name in made if not forced[name]] == ["[internal] load build context"]

    def test_what_was_before_is_taken_from_the_cache(self) -> None:
        result = compiled(base().run_commands("a").run_commands("b", force_build=True).run_commands("c"))
        assert result.ignoring_cache == [False, False, True, True]

    def test_it_does_not_change_what_is_built(self) -> None:
        one, other = (base().run_commands("a", force_build=force).pip_install("x") for force in (True, False))
        assert compiled(one).definition.digests() == compiled(other).definition.digests()

    def test_no_cache_forces_all(self) -> None:
        result = compiled(base().run_commands("a", "b"), options=BuildOptions(no_cache=True))
        assert result.ignoring_cache == [False, True, True]
