"""`add_python`: which build it is, where it comes from, how it gets into a base."""

from __future__ import annotations

import pytest

from llb import Image
from llb.errors import InvalidError, InvalidTypeError, LLBError, UnsupportedError
from llb.image import BuildOptions
from llb.image.python_builds import BUILDS
from llb.image.recipes import RECIPES
from tests.unit.image.vertices import Answers, Compiled, compiled

GLIBC = {"linux/amd64": "/lib64/ld-linux-x86-64.so.2", "linux/arm64": "/lib/ld-linux-aarch64.so.1"}
MUSL = {"linux/amd64": "/lib/ld-musl-x86_64.so.1", "linux/arm64": "/lib/ld-musl-aarch64.so.1"}
ALPINE = "/etc/alpine-release"
RELEASES = "https://github.com/astral-sh/python-build-standalone/releases/download"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLB_IMAGE_BUILDER_VERSION", "MODAL_IMAGE_BUILDER_VERSION", "LLB_PYTHON_BUILD_MIRROR"):
        monkeypatch.delenv(name, raising=False)


def with_python(series: str) -> Image:
    return Image.from_registry("debian:12", add_python=series)


def url_of(result: Compiled) -> str:
    [url] = [source for source in result.sources if source.startswith("http")]
    return url


def test_its_vertices() -> None:
    result = compiled(with_python("3.11").run_commands("python --version"))
    assert [name.partition("] ")[2] for name in result.names if name.startswith("[")] == [
        "from_registry docker.io/library/debian:12",
        "add_python: fetch cpython-3.11.5+20230826-x86_64-unknown-linux-gnu-install_only.tar.gz",
        "add_python: unpack cpython-3.11.5+20230826-x86_64-unknown-linux-gnu-install_only.tar.gz",
        "add_python 3.11",
        "run_commands python --version",
    ]
    assert url_of(result) == (
        f"{RELEASES}/20230826/cpython-3.11.5%2B20230826-x86_64-unknown-linux-gnu-install_only.tar.gz"
    )
    [http] = [op.source for op in result.ops if op.source.identifier.startswith("http")]
    assert dict(http.attrs) == {
        "http.checksum": "sha256:" + BUILDS["3.11.5+20230826"]["x86_64-unknown-linux-gnu"][1],
        "http.filename": "python.tar",
    }
    unpack, tree, remove, link = result.actions
    assert unpack.copy.attemptUnpackDockerCompatibility
    assert (tree.copy.src, tree.copy.dest, tree.copy.dirCopyContents) == ("/python", "/usr/local", True)
    assert (remove.rm.path, remove.rm.allowNotFound) == ("/usr/local/bin/python", True)
    assert (link.copy.src, link.copy.dest) == ("/python/bin/python3", "/usr/local/bin/python")
    assert not link.copy.followSymlink


def test_the_terminal_descriptions_of_the_base_are_found() -> None:
    terminfo = "TERMINFO_DIRS=/etc/terminfo:/lib/terminfo:/usr/share/terminfo:/usr/lib/terminfo"
    result = compiled(with_python("3.12").run_commands("x"))
    assert terminfo in result.config["Env"]
    assert terminfo in result.execs[0].meta.env


@pytest.mark.parametrize(
    ("series", "linked"), [("3.10", True), ("3.12", True), ("3.13", False), ("3.14", False)]
)
def test_python_is_a_link_below_3_13(series: str, linked: bool) -> None:
    result = compiled(with_python(series))
    assert ("/usr/local/bin/python" in [action.copy.dest for action in result.actions]) is linked


def test_a_free_threaded_build_is_taken_out_of_the_whole_archive() -> None:
    result = compiled(with_python("3.14t"))
    assert url_of(result).endswith(
        "/20251209/cpython-3.14.2%2B20251209-x86_64-unknown-linux-gnu-freethreaded%2Bpgo%2Blto-full.tar.zst"
    )
    assert [action.copy.src for action in result.actions] == ["/python.tar", "/python/install"]


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
@pytest.mark.parametrize(
    ("present", "libc"),
    [
        (None, "gnu"),
        ((GLIBC,), "gnu"),
        ((MUSL,), "musl"),
        ((GLIBC, MUSL), "gnu"),
        ((GLIBC, MUSL, ALPINE), "musl"),
    ],
)
def test_the_bases_c_library_decides(
    platform: str, present: tuple[dict[str, str] | str, ...] | None, libc: str
) -> None:
    paths = None if present is None else [one if isinstance(one, str) else one[platform] for one in present]
    resolver = Answers(present=paths)
    architecture = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}[platform]
    url = url_of(compiled(with_python("3.12"), resolver, platform=platform))
    assert f"-{architecture}-unknown-linux-{libc}-" in url
    assert f"exists {GLIBC[platform]} {MUSL[platform]} {ALPINE}" in resolver.asked


def test_every_build_that_a_recipe_names_is_known() -> None:
    for version, recipe in RECIPES.items():
        for series, gnu, _musl in recipe.added:
            for platform in GLIBC:
                options = BuildOptions(builder_version=version)
                pin = gnu.partition("+")[0].removesuffix("t")
                assert f"/cpython-{pin}%2B" in url_of(
                    compiled(with_python(series), platform=platform, options=options)
                )


class TestMirror:
    MIRROR = "http://mirror.example.com:8080/pbs"

    def check(self, result: Compiled) -> None:
        assert url_of(result).startswith(f"{self.MIRROR}/20240107/cpython-3.12.1%2B20240107-")

    def test_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LLB_PYTHON_BUILD_MIRROR", f"{self.MIRROR}/")
        self.check(compiled(with_python("3.12")))

    def test_of_the_build(self) -> None:
        self.check(compiled(with_python("3.12"), options=BuildOptions(python_build_mirror=self.MIRROR)))

    def test_of_the_project(self) -> None:
        text = f'[tool.llb]\npython-build-mirror = "{self.MIRROR}"'
        self.check(compiled(with_python("3.12"), Answers(tree={"pyproject.toml": text.encode()})))

    @pytest.mark.parametrize("value", ["mirror.example.com", "ftp://x/y", "https://", "file:///x"])
    def test_that_is_no_url(self, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
        monkeypatch.setenv("LLB_PYTHON_BUILD_MIRROR", value)
        with pytest.raises(InvalidError, match="LLB_PYTHON_BUILD_MIRROR names is not a URL") as caught:
            compiled(with_python("3.12"))
        assert "LLB_PYTHON_BUILD_MIRROR=https://" in caught.value.hint

    def test_with_a_password_is_refused_and_does_not_show_it(self) -> None:
        options = BuildOptions(python_build_mirror="https://user:hunter2@mirror.example.com")
        with pytest.raises(InvalidError, match="holds a password") as caught:
            compiled(with_python("3.12"), options=options)
        assert "hunter2" not in str(caught.value)
        assert caught.value.hint


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (3.12, ["add_python must be specified as a string", "float", '"3.12" with quotes']),
        (3, ["add_python must be specified as a string"]),
        ("", ["add_python is empty"]),
    ],
)
def test_what_is_no_text_is_refused_in_the_call(value: object, words: list[str]) -> None:
    with pytest.raises(InvalidError) as caught:
        Image.from_registry("debian:12", add_python=value)  # pyright: ignore[reportArgumentType]
    assert isinstance(caught.value, InvalidTypeError) is not isinstance(value, str)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ("3.12.1", ['"major.minor"', 'Write add_python="3.12"']),
        ("3.12rc1", ['"major.minor"']),
        (
            "3.9",
            ["Unsupported Python version '3.9'", "builder 2025.06 has 3.10, 3.11, 3.12, 3.13, 3.14, 3.14t"],
        ),
        ("3.13t", ["Unsupported Python version '3.13t'"]),
        ("3", ["Invalid Python version"]),
        ("latest", ["Invalid Python version"]),
    ],
)
def test_a_version_that_there_is_not_is_refused_when_it_is_compiled(series: str, words: list[str]) -> None:
    chain = with_python(series)
    with pytest.raises(InvalidError) as caught:
        compiled(chain)
    assert (caught.value.step, bool(caught.value.location)) == ("from_registry", True)
    for word in words:
        assert word in str(caught.value)


def test_a_base_without_a_c_library() -> None:
    with pytest.raises(InvalidError, match="no C library") as caught:
        compiled(with_python("3.12"), Answers(present=[]))
    assert "debian:12-slim" in caught.value.hint


@pytest.mark.parametrize(
    ("platform", "error", "words"),
    [
        ("linux/arm/v7", UnsupportedError, "add_python has no Python for linux/arm/v7"),
        ("windows/amd64", UnsupportedError, "add_python needs a Linux image"),
    ],
)
def test_a_platform_that_it_is_not_made_for(platform: str, error: type[LLBError], words: str) -> None:
    with pytest.raises(error, match=words):
        compiled(with_python("3.12"), platform=platform)


def test_a_series_that_is_not_made_for_the_c_library() -> None:
    options = BuildOptions(builder_version="2026.10")
    with pytest.raises(UnsupportedError, match=r"no Python 3\.15 for linux/amd64 with musl") as caught:
        compiled(with_python("3.15"), Answers(present=[MUSL["linux/amd64"]]), options=options)
    assert "another series" in caught.value.hint
