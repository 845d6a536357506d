"""Conda packages: which image and Python `micromamba` is, what `micromamba_install` runs and reads."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from llb import Image
from llb.errors import InvalidError, InvalidTypeError, LocalFileError, UnsupportedError
from llb.image import BuildOptions
from llb.image.recipes import RECIPES
from tests.unit.image.vertices import Answers, base, compiled

INSTALL = 'CONDA_PKGS_DIRS=/var/cache/llb/conda/"$(id -u)" micromamba install'


class TestTheBase:
    def test_its_vertices_and_config(self) -> None:
        result = compiled(Image.micromamba("3.12").run_commands("true"))
        assert result.sources == ["docker-image://docker.io/mambaorg/micromamba:2.1.1-debian12-slim"]
        assert result.commands == [f"{INSTALL} -n base python=3.12 pip -c conda-forge --yes", "true"]
        for run in result.execs:
            assert run.meta.args[0] == "/usr/local/bin/_dockerfile_shell.sh"
            assert "MAMBA_DOCKERFILE_ACTIVATE=1" in run.meta.env
        assert result.config["Cmd"] == ["sleep", "172800"]
        assert result.config["Shell"] == ["/usr/local/bin/_dockerfile_shell.sh"]

    @pytest.mark.parametrize("version", RECIPES)
    def test_its_tag_is_the_recipes(self, version: str) -> None:
        result = compiled(Image.micromamba("3.12"), options=BuildOptions(builder_version=version))
        assert result.sources == [
            f"docker-image://docker.io/mambaorg/micromamba:{RECIPES[version].micromamba}"
        ]
        assert ("Cmd" in result.config) is (version >= "2025.06")

    def test_a_series_is_left_to_conda_and_a_patch_release_too(self) -> None:
        for version in ("3.11", "3.11.7"):
            [command] = compiled(Image.micromamba(version)).commands
            assert f"python={version} pip" in command

    def test_without_a_version_it_is_the_interpreters(self) -> None:
        [command] = compiled(Image.micromamba()).commands
        assert f"python={sys.version_info[0]}.{sys.version_info[1]} pip" in command

    def test_force_build_reaches_all(self) -> None:
        result = compiled(Image.micromamba("3.12", force_build=True).micromamba_install("x"))
        made = dict(zip(result.names, result.ignoring_cache, strict=True))
        assert [
            forced for name, forced in made.items() if "micromamba_install" in name or "python=" in name
        ] == [
            True,
            True,
        ]

    @pytest.mark.parametrize("value", [3.12, 3, ["3.12"]])
    def test_a_version_that_is_no_text(self, value: Any) -> None:
        with pytest.raises(InvalidTypeError, match="python_version must be specified as a string"):
            Image.micromamba(value)

    @pytest.mark.parametrize(
        ("version", "words"),
        [
            ("3.9", ["Unsupported Python version '3.9'", "3.10, 3.11, 3.12, 3.13, 3.14"]),
            ("3.14t", ["Free threaded Python is not supported"]),
            ("three", ["Invalid Python version 'three'"]),
        ],
    )
    def test_a_version_that_there_is_not(self, version: str, words: list[str]) -> None:
        chain = Image.micromamba(version)
        with pytest.raises(InvalidError) as caught:
            compiled(chain)
        assert (caught.value.step, bool(caught.value.location)) == ("micromamba", True)
        for word in words:
            assert word in str(caught.value)

    def test_it_is_for_linux(self) -> None:
        with pytest.raises(UnsupportedError, match="micromamba needs a Linux image"):
            compiled(Image.micromamba("3.12"), platform="windows/amd64")


class TestInstall:
    def test_packages_keep_their_order_and_are_quoted(self) -> None:
        chain = base().micromamba_install(
            "b>=1", ["a", "c[build=x]"], channels=["conda-forge", "https://x/y z"]
        )
        assert compiled(chain).commands == [
            f"{INSTALL} 'b>=1' a 'c[build=x]' -c conda-forge -c 'https://x/y z' --yes"
        ]

    def test_packages_are_kept_in_a_cache_that_any_user_can_write(self) -> None:
        [run] = compiled(base().user("mambauser").micromamba_install("a")).execs
        [_, cache] = run.mounts
        assert (cache.dest, cache.cacheOpt.ID, cache.selector) == (
            "/var/cache/llb/conda",
            "//var/cache/llb/conda",
            "/cache",
        )
        made = compiled(base().micromamba_install("a")).actions
        assert [oct(action.mkdir.mode) for action in made] == ["0o777"]

    def test_nothing_to_install_is_the_same_image(self) -> None:
        chain = base()
        assert chain.micromamba_install() is chain
        assert chain.micromamba_install([], channels=["conda-forge"]) is chain

    def test_a_spec_file_is_mounted_and_not_left(self) -> None:
        resolver = Answers(tree={"envs/environment.yml": b"name: x\ndependencies:\n  - numpy\n"})
        result = compiled(base().micromamba_install("a", spec_file="envs/environment.yml"), resolver)
        assert result.commands == [f"{INSTALL} a -f /.llb/conda/environment.yml -n base --yes"]
        [written] = [action.mkfile for action in result.actions if action.HasField("mkfile")]
        assert written.data == b"name: x\ndependencies:\n  - numpy\n"
        [mount] = [mount for mount in result.execs[0].mounts if mount.dest == "/.llb/conda"]
        assert mount.readonly
        assert mount.output == -1

    @pytest.mark.parametrize("name", ["environment.yml", "environment.yaml", "packages.txt", "conda.lock"])
    def test_its_comments_are_no_change(self, name: str) -> None:
        texts = (
            b"# one\nchannels: [a]\ndependencies:\n  # two\n  - numpy # three\n\n",
            b"\xef\xbb\xbfchannels: [a]\r\ndependencies:\r\n  - numpy # three\r\n",
        )
        chain = base().micromamba_install(spec_file=name)
        one, other = (compiled(chain, Answers(tree={name: text})).definition.digests() for text in texts)
        assert one == other

    def test_what_looks_like_a_comment_in_a_block_is_none(self) -> None:
        text = b"variables:\n  SCRIPT: |\n    # first\n"
        result = compiled(base().micromamba_install(spec_file="e.yml"), Answers(tree={"e.yml": text}))
        assert b"# first" in next(a.mkfile.data for a in result.actions if a.HasField("mkfile"))

    @pytest.mark.parametrize(
        ("name", "data", "words"),
        [
            ("pyproject.toml", b"", ["pyproject.toml is none of", "*.yml", "environment.yml"]),
            ("e.yml", b"\xff\xfe", ["e.yml is not UTF-8"]),
            (
                "e.yml",
                b"- pip:\n  - -r more.txt\n",
                ["e.yml:2 names a further file", "-r more.txt", "pip_install_from"],
            ),
            ("e.yml", b"- pip:\n  - '-e .'\n", ["e.yml:2 names a further file"]),
            (
                "e.yml",
                b"  - --requirement=https://me:hunter2@host/r.txt\n",
                ["e.yml:1 names a further file", "host/r.txt"],
            ),
        ],
    )
    def test_a_spec_file_that_cannot_be_used(self, name: str, data: bytes, words: list[str]) -> None:
        with pytest.raises(InvalidError) as caught:
            compiled(base().micromamba_install(spec_file=name), Answers(tree={name: data}))
        assert caught.value.hint
        assert caught.value.step == "micromamba_install"
        for word in words:
            assert word in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_a_spec_file_that_is_not_there(self) -> None:
        with pytest.raises(LocalFileError, match=r"gone\.yml does not exist"):
            compiled(base().micromamba_install(spec_file="gone.yml"), Answers(tree={}))

    @pytest.mark.parametrize(
        ("arguments", "options", "words"),
        [
            ((1,), {}, "packages must only contain strings"),
            ((("a",),), {}, "packages must only contain strings"),
            (("a",), {"channels": "conda-forge"}, "channels must be a list of strings"),
            (("a",), {"channels": [1]}, "channels must be a list of strings"),
            (("a",), {"spec_file": 1}, "spec_file must be a path"),
            (("a",), {"secrets": ["x"]}, "secrets need to be Secret instances"),
        ],
    )
    def test_wrong_types_are_refused_in_the_call(self, arguments: Any, options: Any, words: str) -> None:
        with pytest.raises(InvalidTypeError, match=words) as caught:
            base().micromamba_install(*arguments, **options)
        assert caught.value.hint

    def test_an_empty_package_or_channel(self) -> None:
        with pytest.raises(InvalidError, match="one of packages is empty"):
            base().micromamba_install(" ")
        with pytest.raises(InvalidError, match="one of channels is empty"):
            base().micromamba_install("a", channels=[""])
