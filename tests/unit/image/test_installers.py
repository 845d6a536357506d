"""Installers that read files: what they make of them, and what they refuse."""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llb.errors import InvalidError, InvalidTypeError, LLBError, LocalFileError, NotFoundError
from llb.image import BuildOptions, Image, LocalDirectory, Secret
from llb.image.recipes import DEFAULT_RECIPE, RECIPES
from llb.pb import ops_pb2 as pb
from tests.unit.image.vertices import Answers, Compiled, base, compiled

UV_VERSION = RECIPES[DEFAULT_RECIPE].uv


def files_of(result: Compiled) -> dict[str, str]:
    """The files that a definition itself holds."""
    made = [action.mkfile for action in result.actions if action.HasField("mkfile")]
    return {one.path: one.data.decode() for one in made}


def loose() -> Any:
    """An image, as a caller without type checker sees it."""
    return base()


def from_requirements(
    tree: Mapping[str, str | bytes], path: str = "requirements.txt", **more: Any
) -> Compiled:
    found = {name: data.encode() if isinstance(data, str) else data for name, data in tree.items()}
    return compiled(base().pip_install_from_requirements(path, **more), Answers(tree=found))


def requirements(tree: Mapping[str, str | bytes], path: str = "requirements.txt") -> list[str]:
    return files_of(from_requirements(tree, path))["/requirements.txt"].splitlines()


class TestRequirementFiles:
    def test_the_file_is_mounted_read_only_and_in_no_layer(self) -> None:
        result = from_requirements({"requirements.txt": "six\n"}, pre=True, find_links="/w")
        [run] = result.execs
        assert run.meta.args[-1] == (
            "python -m pip install -r /.llb/requirements/requirements.txt --find-links /w --pre"
        )
        [root, files, cache] = run.mounts
        assert (files.dest, files.readonly, files.output) == ("/.llb/requirements", True, -1)
        assert cache.mountType == pb.MountType.CACHE
        assert root.output == 0
        assert not result.locals
        assert result.history == ["RUN /bin/sh -c " + run.meta.args[-1] + " # buildkit"]

    @pytest.mark.parametrize(
        "text",
        [
            "six==1.17\nidna\n",
            "idna\nsix==1.17",
            "# for us\n\nsix==1.17  # pinned\n   idna\n\n",
            "\ufeffsix==1.17\r\nidna\r\n",
            "six\\\n==1.17\nidna\n",
            "six==1.17 \\\n# a comment ends it\\\n\nidna",
            "six==1.17\ridna",
            "idna\nidna\nsix==1.17\n",
            "-r more.txt\nsix==1.17",
            "--requirement=more.txt\nsix==1.17",
            "--requirement more.txt\nsix==1.17",
            "-rmore.txt\nsix==1.17",
            "-r 'more.txt'\nsix==1.17",
            "-r more.txt\n-r ./more.txt\nsix==1.17",
            b"\xff\xfe" + "six==1.17\r\nidna".encode("utf-16-le"),
            b"# -*- coding: latin-1 -*-\n# f\xfcr uns\nsix==1.17\nidna",
        ],
    )
    def test_what_is_asked_for_decides(self, text: str | bytes) -> None:
        expected = from_requirements({"requirements.txt": "idna\nsix==1.17\n"})
        found = from_requirements({"requirements.txt": text, "more.txt": "idna"})
        assert found.definition.digests() == expected.definition.digests()

    def test_included_files_come_along_from_where_their_line_is(self) -> None:
        tree = {
            "requirements/dev.txt": "-r base.txt\n-c ../pins/all.txt\npytest\n",
            "requirements/base.txt": "-c ../pins/all.txt\nsix\n",
            "pins/all.txt": "six==1.17\n-c more.txt\n",
            "pins/more.txt": "idna<4\n",
        }
        files = files_of(from_requirements(tree, "requirements/dev.txt"))
        assert files == {
            "/requirements.txt": "-c constraints.txt\npytest\nsix\n",
            "/constraints.txt": "idna<4\nsix==1.17\n",
        }

    def test_options_stay_in_their_order_and_before_the_packages(self) -> None:
        text = "six\n--extra-index-url https://b\n--index-url https://a\n-f /wheels\n--extra-index-url https://b\n"
        assert requirements({"requirements.txt": text}) == [
            "--extra-index-url https://b",
            "--index-url https://a",
            "-f /wheels",
            "six",
        ]

    @pytest.mark.parametrize(
        "line",
        [
            "six @ https://${USER}:${TOKEN}@host/six.whl",
            "git+https://github.com/o/r@v1#egg=r",
            "-e git+https://github.com/o/r@v1#egg=r",
            "six==1 --hash=sha256:12 --hash=sha256:34",
            'a[b]>=1,<2; python_version < "3.9" and extra == "x/y"',
            "/src/in/the/image",
            "pkg @ file:///src/in/the/image",
            "${PLACE}/pkg.whl",
            "-r https://host/more.txt",
            "-c https://host/pins.txt",
            "https://host/pkg.whl",
        ],
    )
    def test_lines_that_pip_gets_as_they_are(self, line: str) -> None:
        assert requirements({"requirements.txt": line}) == [line]

    def test_names_and_history_show_no_credentials(self) -> None:
        result = compiled(
            base().pip_install("git+https://me:hunter2@github.com/o/r@v1", "x @ https://tok@h/y")
        )
        assert result.names[-1] == "[2/2] pip_install git+https://…@github.com/o/r@v1 x @ https://…@h/y"

    @pytest.mark.parametrize(
        ("tree", "words"),
        [
            ({}, ["the file requirements.txt does not exist"]),
            ({"requirements.txt/x": ""}, ["requirements.txt is a directory"]),
            (
                {"requirements.txt": "six\n\n-r gone.txt"},
                ["the file gone.txt does not exist", "requirements.txt, line 3 includes it"],
            ),
            (
                {"requirements.txt": "-r a/b.txt", "a/b.txt": "-c ../requirements.txt"},
                ["includes itself: requirements.txt → a/b.txt → a/../requirements.txt"],
            ),
            ({"requirements.txt": "-r ./requirements.txt"}, ["includes itself"]),
            ({"requirements.txt": "six\n-e ."}, ["requirements.txt, line 2", "'-e .'", "add_local_dir"]),
            ({"requirements.txt": "--editable=./pkg"}, ["local path"]),
            ({"requirements.txt": "-e pkg"}, ["local path"]),
            ({"requirements.txt": "./pkg[x]"}, ["local path", "'./pkg[x]'"]),
            ({"requirements.txt": "pkg/sub; python_version > '3'"}, ["local path"]),
            ({"requirements.txt": "pkg.whl"}, ["local path"]),
            ({"requirements.txt": "pkg @ file:./pkg"}, ["local path"]),
            ({"requirements.txt": "pkg @ ./pkg"}, ["local path"]),
            ({"requirements.txt": "-f wheels"}, ["local path"]),
            ({"requirements.txt": "-r"}, ["-r names no file"]),
            ({"requirements.txt": "-r a.txt b.txt"}, ["is not understood", "one file on a line"]),
            ({"requirements.txt": "-r 'a.txt"}, ["is not understood"]),
            ({"requirements.txt": "-r ${DIR}/a.txt"}, ["has a variable"]),
            ({"requirements.txt": b"six\n\xfc"}, ["line 2", "not text in utf-8", "Save it as UTF-8"]),
            ({"requirements.txt": b"# coding: nonsense\n"}, ["not text in nonsense"]),
            ({"requirements.txt": b"six\nid\0na"}, ["line 2", "NUL"]),
            (
                {"requirements.txt": "-r 'https://me:hunter2@h/x.txt"},
                ["is not understood", "https://…@h/x.txt"],
            ),
        ],
    )
    def test_refusals(self, tree: Mapping[str, str | bytes], words: list[str]) -> None:
        with pytest.raises(LLBError) as caught:
            from_requirements(tree)
        message = str(caught.value)
        assert all(word in message for word in words), message
        assert "hunter2" not in message
        assert "pip_install_from_requirements" in message
        assert "test_installers.py:" in message

    def test_what_is_no_file_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        chain = base().pip_install_from_requirements("requirements.txt")
        (tmp_path / "requirements.txt").symlink_to("requirements.txt")
        with pytest.raises(LocalFileError, match=r"requirements\.txt lead in a circle"):
            compiled(chain, LocalDirectory(tmp_path))
        (tmp_path / "requirements.txt").unlink()
        os.mkfifo(tmp_path / "requirements.txt")
        with pytest.raises(LocalFileError, match=r"requirements\.txt is no regular file"):
            compiled(chain, LocalDirectory(tmp_path))

    def test_a_file_that_cannot_be_read_is_told_with_the_line_that_includes_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "requirements.txt").write_text("-r more.txt")
        (tmp_path / "more.txt").touch()

        class Locked(LocalDirectory):
            def read(self, context: str, path: str) -> bytes:
                if path == "more.txt":
                    raise LocalFileError(f"the file {path} cannot be read: Permission denied")
                return super().read(context, path)

        with pytest.raises(LocalFileError, match=r"more\.txt cannot be read: Permission denied") as caught:
            compiled(base().pip_install_from_requirements("requirements.txt"), Locked(tmp_path))
        assert "(requirements.txt, line 1 includes it)" in str(caught.value)

    def test_files_of_the_disk(self, tmp_path: Path) -> None:
        (tmp_path / "more").mkdir()
        (tmp_path / "requirements.txt").write_text("-r more/a.txt")
        (tmp_path / "more/a.txt").write_text("-c b.txt\nsix")
        (tmp_path / "more/b.txt").write_text("six<2")
        chain = base().pip_install_from_requirements(tmp_path / "requirements.txt")
        files = files_of(compiled(chain, LocalDirectory(tmp_path)))
        assert files == {"/requirements.txt": "-c constraints.txt\nsix\n", "/constraints.txt": "six<2\n"}

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: loose().pip_install_from_requirements(1), ["requirements_txt must be a path"]),
            (lambda: loose().pip_install_from_requirements("a", 1), ["find_links"]),
            (lambda: loose().pip_install_from_pyproject(None), ["pyproject_toml must be a path"]),
            (
                lambda: loose().pip_install_from_pyproject("a", "dev"),
                ["optional_dependencies", "list of strings"],
            ),
            (lambda: loose().pip_install_from_pyproject("a", [""]), ["optional_dependencies is empty"]),
        ],
    )
    def test_wrong_types_are_refused_at_the_call(self, call: Callable[[], Image], words: list[str]) -> None:
        with pytest.raises(InvalidError) as caught:
            call()
        assert all(word in str(caught.value) for word in words), str(caught.value)


PROJECT = """
[project]
name = "My_App"
dependencies = ["six", "idna>=3"]
[project.optional-dependencies]
server = ["attrs"]
all = ["my-app[server, test]"]
test = ["pytest; python_version > '3'"]
[dependency-groups]
lint = ["ruff"]
"""


def from_pyproject(text: str | bytes, *arguments: Any, **more: Any) -> Compiled:
    data = text.encode() if isinstance(text, str) else text
    chain = base().pip_install_from_pyproject("pyproject.toml", *arguments, **more)
    return compiled(chain, Answers(tree={"pyproject.toml": data}))


class TestPyproject:
    def test_dependencies_are_written_into_the_command_sorted(self) -> None:
        result = from_pyproject(PROJECT, ["server"], extra_options="--no-deps")
        assert result.commands == ["python -m pip install attrs 'idna>=3' six --no-deps"]
        assert result.names[-1] == "[2/2] pip_install_from_pyproject pyproject.toml"
        same = compiled(base().pip_install("six", "attrs", "idna>=3", extra_options="--no-deps"))
        assert result.definition.digests() == same.definition.digests()

    def test_other_edits_are_no_change(self) -> None:
        edited = "\ufeff" + PROJECT.replace('six",', 'six",  # yes\n') + "[tool.ruff]\nline-length = 1\n"
        assert from_pyproject(edited).definition.digests() == from_pyproject(PROJECT).definition.digests()

    def test_an_extra_of_the_project_itself_stands_for_its_dependencies(self) -> None:
        assert from_pyproject(PROJECT, ["all"]).commands == [
            "python -m pip install attrs 'idna>=3' 'pytest; python_version > '\"'\"'3'\"'\"'' six"
        ]

    def test_no_dependencies_make_no_step(self) -> None:
        assert from_pyproject("[project]\ndependencies = []").commands == []

    @pytest.mark.parametrize(
        ("text", "groups", "words"),
        [
            ("[project]\nname = 'x'", [], ["has no [project] with dependencies", 'dependencies = ["numpy"]']),
            ("[tool.poetry.dependencies]\nsix = '1'", [], ["poetry_install_from_file"]),
            ("[project]\ndynamic = ['dependencies']", [], ["dynamic", "pip_install_from_requirements"]),
            (PROJECT, ["gpu"], ["no optional dependencies called gpu", "There are all, server, test."]),
            (PROJECT, ["lint"], ["dependency groups", 'uv_sync(groups=["lint"])']),
            ("[project]\ndependencies = []", ["x"], ["It has none at all"]),
            ("[project]\ndependencies = 'six'", [], ["project.dependencies is not a list of strings"]),
            ("[project]\ndependencies = ['--pre']", [], ["cannot hold options: '--pre'", "extra_options"]),
            ("project = 1", [], ["[project] is not a table"]),
            ("[project]\ndynamic = 1", [], ["project.dynamic is not a list"]),
            (
                "[project]\nname = 'x'\ndependencies = [\"x[a]; python_version > '3'\"]",
                [],
                ["asks for the project itself under a condition"],
            ),
            ("[project]\nname = 'x'\ndependencies = ['x[a]']", [], ["no optional dependencies called a"]),
            (
                "[project]\nname = 'x'\ndependencies = [",
                [],
                ["pyproject.toml, line 3, column 17", "not TOML"],
            ),
            ("[project]\nname == 'x'", [], ["pyproject.toml, line 2, column 7", "Invalid value"]),
            (b"[project]\nname = '\xfc'", [], ["pyproject.toml, line 2, column 9", "not UTF-8"]),
        ],
    )
    def test_refusals(self, text: str | bytes, groups: list[str], words: list[str]) -> None:
        with pytest.raises(InvalidError) as caught:
            from_pyproject(text, groups)
        message = str(caught.value)
        assert all(word in message for word in words), message
        assert "pip_install_from_pyproject" in message

    def test_a_missing_file_is_refused(self) -> None:
        with pytest.raises(LocalFileError, match=r"the file pyproject\.toml does not exist"):
            compiled(base().pip_install_from_pyproject("pyproject.toml"), Answers(tree={}))


TOKEN = Secret.from_dict({"GITHUB_TOKEN": "hunter2", "GIT_TOKEN": "hunter2"})


class TestPrivateRepos:
    def test_one_command_each_after_git(self) -> None:
        chain = base().pip_install_private_repos(
            "github.com/o/r@v1",
            "git.example.com:8443/a/b/c#subdirectory=x y",
            git_user="me",
            secrets=[TOKEN],
            pre=True,
        )
        result = compiled(chain)
        git, one, two = result.commands
        assert git.startswith("command -v git >/dev/null || { apt-get update && ")
        assert one.startswith('[ -n "$GITHUB_TOKEN" ] || { echo ')
        assert one.endswith(
            "GIT_ASKPASS=/.llb/git/ask GIT_TERMINAL_PROMPT=0 "
            "python -m pip install git+https://github.com/o/r@v1 --pre"
        )
        assert two.startswith('[ -n "$GIT_TOKEN" ] || { echo ')
        assert two.endswith("pip install 'git+https://git.example.com:8443/a/b/c#subdirectory=x y' --pre")
        assert [[env.name for env in run.secretenv] for run in result.execs] == [
            [],
            ["GITHUB_TOKEN", "GIT_TOKEN"],
            ["GITHUB_TOKEN", "GIT_TOKEN"],
        ]
        assert [name.partition("] ")[2] for name in result.names if not name.startswith("[internal")] == [
            "from_registry docker.io/library/debian:12",
            "pip_install_private_repos: git, if it is missing",
            "pip_install_private_repos github.com/o/r@v1",
            "pip_install_private_repos git.example.com:8443/a/b/c#subdirectory=x y",
        ]
        assert b"hunter2" not in result.definition.to_bytes()

    def test_git_is_installed_by_root_whoever_the_user_is(self) -> None:
        chain = base().user("app").pip_install_private_repos("github.com/o/r", git_user="me", secrets=[TOKEN])
        result = compiled(chain)
        assert [run.meta.user for run in result.execs] == ["root", "app"]
        assert result.config["User"] == "app"

    def test_the_answer_is_for_the_hosts_of_the_call_only(self, tmp_path: Path) -> None:
        chain = base().pip_install_private_repos("github.com/o/r", "h:1/x", git_user="m'e", secrets=[TOKEN])
        script = tmp_path / "ask"
        script.write_text(files_of(compiled(chain))["/ask"])
        environment = {"GITHUB_TOKEN": "one", "GIT_TOKEN": "-n two"}

        def ask(prompt: str) -> str:
            done = subprocess.run(
                ["/bin/sh", script, prompt], env=environment, capture_output=True, text=True
            )
            return done.stdout if done.returncode == 0 else "refused"

        assert ask("Username for 'https://github.com': ") == "m'e\n"
        assert ask("Password for 'https://m%27e@github.com': ") == "one\n"
        assert ask("Password for 'https://m%27e@h:1': ") == "-n two\n"
        assert ask("Username for 'https://evil.com': ") == "refused"
        assert ask("Password for 'https://me@evil.com': ") == "refused"
        assert ask("Password for 'https://me@evilgithub.com': ") == "refused"

    @pytest.mark.parametrize(
        ("repositories", "words"),
        [
            (["https://github.com/o/r"], ["1 out of 1", "has a scheme"]),
            (["git+https://u:hunter2@github.com/o/r"], ["has a scheme", "…@github.com"]),
            (["o/r", "github.com/o/r"], ["1 out of 2", "'o/r' names no host"]),
            (["o/r", "x", "github.com"], ["3 out of 3", "'x' names no host", "'github.com' names no host"]),
            (["github.com/"], ["names no repository"]),
            (["git@github.com/o/r"], ["has a user before its host"]),
            ([1], ["must only contain strings"]),
        ],
    )
    def test_what_is_no_repository_is_refused_at_the_call(
        self, repositories: list[Any], words: list[str]
    ) -> None:
        with pytest.raises(InvalidError) as caught:
            base().pip_install_private_repos(*repositories, git_user="me", secrets=[TOKEN])
        message = str(caught.value)
        assert all(word in message for word in words), message
        assert "hunter2" not in message

    def test_a_reference_that_is_no_string_is_a_wrong_type(self) -> None:
        with pytest.raises(InvalidTypeError, match="repositories must only contain strings, not int: 1"):
            base().pip_install_private_repos(1, git_user="me", secrets=[TOKEN])  # pyright: ignore[reportArgumentType]

    def test_a_secret_is_needed_even_with_env(self) -> None:
        with pytest.raises(InvalidError, match="secrets is empty"):
            base().pip_install_private_repos("github.com/o/r", git_user="me", env={"GITHUB_TOKEN": "x"})

    def test_the_user_is_needed(self) -> None:
        with pytest.raises(InvalidTypeError, match="git_user"):
            base().pip_install_private_repos("github.com/o/r", secrets=[TOKEN])  # pyright: ignore[reportCallIssue]

    def test_a_token_that_no_secret_has_is_told_when_it_is_compiled(self) -> None:
        chain = base().pip_install_private_repos("gitlab.com/o/r", git_user="me", secrets=[TOKEN])
        with pytest.raises(InvalidError, match="no secret has the variable GITLAB_TOKEN") as caught:
            compiled(chain)
        assert "<Secret: GITHUB_TOKEN, GIT_TOKEN>" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_without_repositories_nothing_happens(self) -> None:
        image = base()
        assert image.pip_install_private_repos(git_user="me", secrets=[TOKEN]) is image


def tool_mounts(run: pb.ExecOp) -> dict[str, pb.Mount]:
    return {mount.dest: mount for mount in run.mounts}


class TestUvPipInstall:
    def test_uv_is_fetched_by_pip_in_the_pinned_version_and_mounted(self) -> None:
        result = compiled(base().uv_pip_install("six", "attrs"))
        fetch, install = result.execs
        assert fetch.meta.args[-1] == (
            "python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps "
            f"--target /.llb/uv uv=={UV_VERSION}"
        )
        assert install.meta.args[-1] == (
            '/.llb/bin/uv pip install --python "$(command -v python)" --compile-bytecode --link-mode=copy attrs six'
        )
        mounts = tool_mounts(install)
        assert mounts["/.llb/uv"].readonly
        assert mounts["/.llb/uv"].selector == "/.llb/uv"
        assert mounts["/.llb/bin"].readonly
        assert mounts["/.llb/tmp"].mountType == pb.MountType.TMPFS
        assert mounts["/root/.cache/uv"].cacheOpt.ID == "//root/.cache/uv"
        assert tool_mounts(fetch)["/root/.cache/pip"].mountType == pb.MountType.CACHE
        assert [name for name in result.names if not name.startswith("[internal")] == [
            "[1/3] from_registry docker.io/library/debian:12",
            f"[2/3] uv_pip_install: uv=={UV_VERSION} from the index of pip",
            "[3/3] uv_pip_install attrs six",
        ]
        assert len(result.history) == 1

    def test_the_order_of_packages_is_no_change(self) -> None:
        one, other = compiled(base().uv_pip_install("b", "a")), compiled(base().uv_pip_install(["a"], "b"))
        assert one.definition.digests() == other.definition.digests()

    def test_several_steps_share_one_uv(self) -> None:
        result = compiled(base().uv_pip_install("a").run_commands("x").uv_pip_install("b"))
        assert len([command for command in result.commands if "uv==" in command]) == 1
        assert result.names[-1] == "[5/5] uv_pip_install b"
        two = compiled(base().uv_pip_install("a").uv_pip_install("b", uv_version="0.8.0"))
        assert len([command for command in two.commands if "uv==" in command]) == 2

    def test_options(self) -> None:
        chain = base().uv_pip_install(
            "a",
            find_links="/w x",
            index_url="https://i",
            extra_index_url="https://e",
            pre=True,
            extra_options="--no-deps $X",
            uv_version="latest",
        )
        fetch, install = compiled(chain).commands
        assert fetch.endswith("--target /.llb/uv uv")
        assert install.endswith(
            " --link-mode=copy --find-links '/w x' --default-index https://i --index https://e "
            "--prerelease allow --no-deps $X a"
        )

    def test_requirement_files_are_mounted_as_one(self) -> None:
        tree: dict[str, bytes | None] = {
            "a.txt": b"six # x\n-c c.txt",
            "d/b.txt": b"-r ../a.txt\nidna",
            "c.txt": b"six<2",
        }
        result = compiled(
            base().uv_pip_install("attrs", requirements=["a.txt", "d/b.txt"]), Answers(tree=tree)
        )
        assert files_of(result)["/requirements.txt"] == "-c constraints.txt\nidna\nsix\n"
        assert result.commands[-1].endswith(" --requirements /.llb/requirements/requirements.txt attrs")
        assert tool_mounts(result.execs[-1])["/.llb/requirements"].readonly
        assert result.names[-1] == "[3/3] uv_pip_install a.txt d/b.txt attrs"

    def test_uv_of_an_image(self) -> None:
        image = base().uv_pip_install("six", uv_version="ghcr.io/astral-sh/uv:0.9.5")
        result = compiled(image, Answers(config={"config": {}}, digest="sha256:" + "12" * 32))
        [install] = result.execs
        assert "docker-image://ghcr.io/astral-sh/uv:0.9.5@sha256:" + "12" * 32 in result.sources
        mount = tool_mounts(install)["/.llb/uv/bin/uv"]
        assert (mount.selector, mount.readonly) == ("/uv", True)

    def test_another_user_than_root_has_no_cache(self) -> None:
        fetch, install = compiled(base().user("app").uv_pip_install("six")).execs
        assert (fetch.meta.user, install.meta.user) == ("root", "app")
        assert install.meta.args[-1].endswith(" six --no-cache")
        assert not [one for one in install.mounts if one.mountType == pb.MountType.CACHE]

    def test_the_command_that_fetches_uv_gets_what_pip_needs_for_an_index(self) -> None:
        index = Secret.from_dict({"PIP_INDEX_URL": "https://me:hunter2@host"})
        secrets = [index, Secret.from_dict({"TOKEN": "x"})]
        chain = base().uv_pip_install("six", env={"A": "b", "https_proxy": "p"}, secrets=secrets, gpu="any")
        fetch, install = compiled(chain).execs
        assert [one.name for one in fetch.secretenv] == ["PIP_INDEX_URL"]
        assert [one.name for one in install.secretenv] == ["PIP_INDEX_URL", "TOKEN"]
        assert list(fetch.meta.env)[1:] == ["https_proxy=p"]
        assert list(install.meta.env)[1:] == ["A=b", "https_proxy=p"]
        assert not fetch.cdiDevices
        assert install.cdiDevices

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({}, ["", ""]),
            (
                {"PIP_INDEX_URL": "https://p", "PIP_EXTRA_INDEX_URL": "https://x https://y"},
                ["https://p", "https://x https://y"],
            ),
            ({"SAYS": "1"}, ["https://conf/i", "https://conf/e https://conf/f"]),
            (
                {"SAYS": "1", "UV_DEFAULT_INDEX": "https://u", "UV_INDEX": "https://v"},
                ["https://u", "https://v"],
            ),
            ({"SAYS": "1", "UV_INDEX_URL": "https://u", "UV_EXTRA_INDEX_URL": "https://v"}, ["", ""]),
            ({"SAYS": "1", "UV_CONFIG_FILE": "{tmp}/uv.toml"}, ["", ""]),
        ],
    )
    def test_indexes_of_pip_are_those_of_uv_where_nobody_says_otherwise(
        self, given: dict[str, str], expected: list[str], tmp_path: Path
    ) -> None:
        """The script that starts uv, run with a pip that answers and a uv that shows what it gets."""
        script = files_of(compiled(base().uv_pip_install("six")))["/uv"]
        (tmp_path / "uv.toml").write_text("[[index]]\n")
        (tmp_path / "python").write_text(  # as `pip config list` writes them
            '#!/bin/sh\n[ -n "$SAYS" ] || exit 1\n'
            "echo \"download.index-url='https://not/this'\"\necho \"global.index-url='https://conf/i'\"\n"
            "printf '%s\\n' \"install.extra-index-url='\\\\nhttps://conf/e\\\\nhttps://conf/f'\"\n"
        )
        (tmp_path / "uv").write_text(
            '#!/bin/sh\nprintf "%s\\n" "$UV_DEFAULT_INDEX" "$UV_INDEX" "$TMPDIR" "$@"\n'
        )
        for name in ("python", "uv"):
            (tmp_path / name).chmod(0o755)
        (tmp_path / "start").write_text(script.replace("/.llb/uv/bin/uv", str(tmp_path / "uv")))
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
        environment |= {name: value.replace("{tmp}", str(tmp_path)) for name, value in given.items()}
        done = subprocess.run(
            ["/bin/sh", tmp_path / "start", "pip", "a b"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split("\n") == [*expected, "/.llb/tmp", "pip", "a b", ""]

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: loose().uv_pip_install("-r x"), ["packages cannot hold options", "extra_options"]),
            (
                lambda: loose().uv_pip_install("a", requirements="r.txt"),
                ["requirements must be a list of strings"],
            ),
            (lambda: loose().uv_pip_install("a", requirements=[""]), ["one of requirements is empty"]),
            (lambda: loose().uv_pip_install(1), ["packages must only contain strings"]),
            (lambda: loose().uv_pip_install("a", uv_version=0.9), ["uv_version must be a string, not float"]),
            (lambda: loose().uv_pip_install("a", uv_version=">=1"), ["uv_version is no version", "ghcr.io"]),
            (lambda: loose().uv_pip_install("a", uv_version="ghcr.io/UP"), ["ghcr.io/UP"]),
            (lambda: loose().uv_sync(1), ["uv_project_dir must be a path"]),
            (lambda: loose().uv_sync(groups="dev"), ["groups must be a list of strings"]),
            (lambda: loose().uv_sync(extras=("dev",)), ["extras must be a list of strings"]),
            (lambda: loose().uv_sync(frozen="yes"), ["frozen must be True or False"]),
            (lambda: loose().uv_sync(extra_options=["x"]), ["extra_options must be a string"]),
            (lambda: loose().poetry_install_from_file(1), ["poetry_pyproject_toml must be a path"]),
            (lambda: loose().poetry_install_from_file("p", 1), ["poetry_lockfile must be a path"]),
            (lambda: loose().poetry_install_from_file("p", with_="dev"), ["with_ must be a list of strings"]),
            (lambda: loose().poetry_install_from_file("p", only=[""]), ["one of only is empty"]),
            (
                lambda: loose().poetry_install_from_file("p", poetry_version=2),
                ["poetry_version must be a string"],
            ),
            (
                lambda: loose().poetry_install_from_file("p", poetry_version="1;2"),
                ["poetry_version is no version"],
            ),
        ],
    )
    def test_wrong_arguments_are_refused_at_the_call(
        self, call: Callable[[], Image], words: list[str]
    ) -> None:
        with pytest.raises(InvalidError) as caught:
            call()
        assert all(word in str(caught.value) for word in words), str(caught.value)

    def test_without_packages_nothing_happens(self) -> None:
        image = base()
        assert image.uv_pip_install([], requirements=[]) is image

    def test_a_project_is_no_requirements_file(self) -> None:
        with pytest.raises(InvalidError, match=r"pyproject\.toml is no requirements file") as caught:
            compiled(
                base().uv_pip_install(requirements=["pyproject.toml"]), Answers(tree={"pyproject.toml": b""})
            )
        assert "pip_install_from_pyproject" in str(caught.value)


UV_PROJECT = """
[project]
name = "my.app"
version = "1"
description = "not read"
requires-python = ">=3.11"
dependencies = ["six"]
[dependency-groups]
dev = ["attrs"]
[tool.uv.sources]
lib = { workspace = true }
[tool.uv.workspace]
members = ["libs/*", "tools/one", "deep/**"]
exclude = ["libs/old"]
[tool.other]
x = 1
"""
UV_LOCK = """version = 1
revision = 3

[[package]]
name = "my-app"
version = "1"
source = { virtual = "." }

[package.metadata]
requires-dist = [{ name = "six" }]

[[package]]
name = "six"
version = "1.17.0"
"""


def member(name: str) -> bytes:
    return f'[project]\nname = "{name}"\nversion = "1"\n[tool.other]\nx = 1\n'.encode()


def workspace(**more: str | bytes) -> dict[str, bytes | None]:
    tree: dict[str, bytes | None] = {
        "pyproject.toml": UV_PROJECT.encode(),
        "uv.lock": UV_LOCK.encode(),
        "libs/lib/pyproject.toml": member("lib"),
        "libs/lib/sub/pyproject.toml": member("sub"),
        "libs/old/pyproject.toml": member("old"),
        "libs/empty/readme.md": b"",
        "tools/one/pyproject.toml": member("one"),
        "tools/two/pyproject.toml": member("two"),
        "deep/a/b/pyproject.toml": member("b"),
    }
    return tree | {name: data.encode() if isinstance(data, str) else data for name, data in more.items()}


def synced(tree: Mapping[str, bytes | None], *arguments: Any, **more: Any) -> Compiled:
    return compiled(base().uv_sync(*arguments, **more), Answers(tree=tree))


class TestUvSync:
    def test_the_project_its_lock_and_the_members_of_its_workspace_come_along(self) -> None:
        result = synced(workspace())
        files = {
            path.removeprefix("/.uv/"): text
            for path, text in files_of(result).items()
            if path.startswith("/.uv")
        }
        assert sorted(files) == [
            "deep/a/b/pyproject.toml",
            "libs/lib/pyproject.toml",
            "pyproject.toml",
            "tools/one/pyproject.toml",
            "uv.lock",
        ]
        assert files["uv.lock"] == UV_LOCK
        assert tomllib.loads(files["pyproject.toml"]) == {
            "project": {
                "name": "my.app",
                "version": "1",
                "requires-python": ">=3.11",
                "dependencies": ["six"],
            },
            "dependency-groups": {"dev": ["attrs"]},
            "tool": {
                "uv": {
                    "sources": {"lib": {"workspace": True}},
                    "workspace": {"members": ["libs/*", "tools/one", "deep/**"], "exclude": ["libs/old"]},
                }
            },
        }
        assert tomllib.loads(files["libs/lib/pyproject.toml"]) == {"project": {"name": "lib", "version": "1"}}

    def test_the_environment_is_first_on_path(self) -> None:
        result = synced(workspace(), groups=["dev"], extras=["a b"], extra_options="--no-dev")
        assert result.commands[-1] == (
            "/.llb/bin/uv sync --project=/.uv --no-install-workspace --compile-bytecode --link-mode=copy "
            "--group=dev --extra='a b' --no-dev --frozen"
        )
        assert result.config["Env"] == [
            "PATH=/.uv/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        ]
        assert [line.split(" ")[0] for line in result.history] == ["COPY", "RUN", "ENV"]

    def test_a_workspace_of_the_disk(self, tmp_path: Path) -> None:
        for name, data in workspace().items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data or b"")
        assert "/.uv/deep/a/b/pyproject.toml" in files_of(
            compiled(base().uv_sync(), LocalDirectory(tmp_path))
        )

    def test_frozen_only_with_a_lock_and_only_if_asked(self) -> None:
        assert "--frozen" not in synced(workspace(), frozen=False).commands[-1]
        tree = workspace()
        del tree["uv.lock"]
        assert "--frozen" not in synced(tree).commands[-1]

    def test_edits_that_uv_does_not_read_are_no_change(self) -> None:
        edited = "# more\n" + UV_PROJECT.replace("not read", "still not").replace("x = 1", "y = 2")
        again = synced(workspace(**{"pyproject.toml": edited}))
        assert again.definition.digests() == synced(workspace()).definition.digests()

    def test_the_files_are_the_users(self) -> None:
        result = compiled(base().user("1000:1000").uv_sync(), Answers(tree=workspace()))
        made = [action.mkdir for action in result.actions if action.HasField("mkdir")]
        assert {one.owner.user.byID for one in made} == {1000}

    def test_a_project_with_an_index_of_its_own_does_not_get_pips(self) -> None:
        text = UV_PROJECT + "[[tool.uv.index]]\nurl = 'https://i'\ndefault = true\n"
        assert "pip_says" not in files_of(synced(workspace(**{"pyproject.toml": text})))["/uv"]
        assert "pip_says" in files_of(synced(workspace()))["/uv"]

    def test_a_project_in_another_directory(self) -> None:
        tree = {f"back/{name}": data for name, data in workspace().items()}
        assert "/.uv/libs/lib/pyproject.toml" in files_of(synced(tree, "back/"))

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (
                {"uv.lock": UV_LOCK.replace("my-app", "other")},
                ["does not belong to ./pyproject.toml", "it locks other, not my-app"],
            ),
            (
                {"uv.lock": UV_LOCK.replace('{ name = "six" }', "")},
                ["is older than", "it does not have six", "frozen=False"],
            ),
            ({"uv.lock": "nothing = 1"}, ["is not a lock of uv"]),
            ({"uv.lock": "nothing ="}, ["uv.lock, line 1, column", "not TOML"]),
            ({"pyproject.toml": "[project"}, ["pyproject.toml, line 1, column", "not TOML"]),
            ({"libs/lib/pyproject.toml": "x ="}, ["libs/lib/pyproject.toml, line 1", "not TOML"]),
            (
                {"pyproject.toml": UV_PROJECT.replace("{ workspace = true }", "{ path = '../lib' }")},
                ["takes lib from a local path", "../lib", "--no-install-package=lib"],
            ),
            (
                {"pyproject.toml": "[project]\nname = 'x'\n[tool.uv.sources]\nlib = { workspace = true }\n"},
                ["takes lib from its workspace, and is not the root of one", "uv_sync("],
            ),
            (
                {"pyproject.toml": UV_PROJECT.replace("tools/one", "tools/none")},
                ["member tools/none has no pyproject.toml"],
            ),
            ({"pyproject.toml": UV_PROJECT.replace("tools/one", "../one")}, ["member ../one is outside"]),
            (
                {"pyproject.toml": UV_PROJECT.replace('exclude = ["libs/old"]', "exclude = 1")},
                ["exclude of [tool.uv.workspace]"],
            ),
        ],
    )
    def test_refusals(self, more: dict[str, str], words: list[str]) -> None:
        with pytest.raises(InvalidError) as caught:
            synced(workspace(**more))
        message = str(caught.value)
        assert all(word in message for word in words), message
        assert "uv_sync" in message

    def test_a_local_path_that_is_left_out_is_no_matter(self) -> None:
        text = UV_PROJECT.replace("{ workspace = true }", "{ path = '../lib' }")
        result = synced(workspace(**{"pyproject.toml": text}), extra_options="--no-install-package lib")
        assert result.commands[-1].endswith("--no-install-package lib --frozen")

    def test_a_lock_that_is_not_frozen_is_uvs_own_matter(self) -> None:
        assert synced(workspace(**{"uv.lock": UV_LOCK.replace("my-app", "other")}), frozen=False).commands

    def test_a_missing_project(self) -> None:
        with pytest.raises(LocalFileError, match=r"Expected gone/pyproject\.toml to exist"):
            synced({}, "gone")


POETRY_PROJECT = """
[tool.poetry]
name = "app"
version = "1"
description = "not read"
authors = ["me"]
[tool.poetry.dependencies]
python = ">=3.11"
six = "*"
[tool.poetry.group.dev.dependencies]
attrs = "*"
[tool.poetry.group.docs]
optional = true
[tool.poetry.group.docs.dependencies]
local = { path = "../local" }
[tool.other]
x = 1
"""


def poetry(text: str = POETRY_PROJECT, lock: str | None = "x", *arguments: Any, **more: Any) -> Compiled:
    tree: dict[str, bytes | None] = {"d/pyproject.toml": text.encode()}
    if lock is not None:
        tree["d/poetry.lock"] = lock.encode()
    return compiled(
        base().poetry_install_from_file("d/pyproject.toml", *arguments, **more), Answers(tree=tree)
    )


class TestPoetry:
    def test_poetry_is_in_an_environment_of_its_own_that_is_mounted(self) -> None:
        result = poetry()
        fetch, install = result.execs
        assert fetch.meta.args[-1].startswith(
            "python -m venv --without-pip /.llb/poetry && touch /.llb/poetry/poetry_env && "
        )
        assert fetch.meta.args[-1].endswith(" poetry")
        mounts = tool_mounts(install)
        assert mounts["/.llb/poetry"].readonly
        assert (mounts["/tmp/poetry"].readonly, mounts["/tmp/poetry"].output) == (False, -1)
        assert mounts["/root/.cache/pypoetry"].mountType == pb.MountType.CACHE
        assert len(result.history) == 1

    def test_the_command(self) -> None:
        result = poetry(with_=["a", "b c"], without=["dev"], only=["x"])
        assert result.commands[-1].startswith("cd /tmp/poetry && ")
        assert result.commands[-1].endswith(
            "POETRY_VIRTUALENVS_CREATE=false /.llb/poetry/bin/python -m poetry install --no-root --no-interaction "
            "--with 'a,b c' --without dev --only x --compile"
        )
        old = poetry(old_installer=True).commands[-1]
        assert "-m poetry config --local experimental.new-installer false && POETRY_VIRTUALENVS" in old
        assert "--compile" not in old  # which that one does by itself, and had no option for

    def test_what_goes_along(self) -> None:
        files = files_of(poetry(lock="the lock"))
        assert files["/project/poetry.lock"] == "the lock"
        assert tomllib.loads(files["/project/pyproject.toml"]) == {
            "tool": {
                "poetry": {
                    "name": "app",
                    "version": "0",
                    "description": "",
                    "authors": [],
                    "dependencies": {"python": ">=3.11", "six": "*"},
                    "group": {
                        "dev": {"dependencies": {"attrs": "*"}},
                        "docs": {"optional": True, "dependencies": {"local": {"path": "../local"}}},
                    },
                }
            }
        }

    def test_edits_that_poetry_does_not_read_are_no_change(self) -> None:
        edited = (
            POETRY_PROJECT.replace('"1"', '"2"').replace("not read", "still not").replace("x = 1", "y = 2")
        )
        assert poetry(edited).definition.digests() == poetry().definition.digests()

    def test_versions(self) -> None:
        assert poetry(poetry_version="2.1.4").commands[0].endswith(" poetry==2.1.4")
        [install] = poetry(poetry_version=None).commands
        assert " POETRY_VIRTUALENVS_CREATE=false poetry install " in install
        older = BuildOptions(builder_version="2024.10")
        tree: dict[str, bytes | None] = {"pyproject.toml": POETRY_PROJECT.encode()}
        chain = base().poetry_install_from_file("pyproject.toml", ignore_lockfile=True)
        assert compiled(chain, Answers(tree=tree), options=older).commands[0].endswith(" 'poetry~=1.7'")

    def test_another_user_than_root_has_no_cache(self) -> None:
        chain = base().user("app").poetry_install_from_file("d/pyproject.toml", ignore_lockfile=True)
        fetch, install = compiled(chain, Answers(tree={"d/pyproject.toml": POETRY_PROJECT.encode()})).execs
        assert (fetch.meta.user, install.meta.user) == ("root", "app")
        assert "POETRY_CACHE_DIR=/.llb/cache " in install.meta.args[-1]
        assert not [one for one in install.mounts if one.mountType == pb.MountType.CACHE]

    def test_a_lock_elsewhere_and_none(self) -> None:
        chain = base().poetry_install_from_file("p.toml", "locks/l")
        files = files_of(
            compiled(chain, Answers(tree={"p.toml": POETRY_PROJECT.encode(), "locks/l": b"lock"}))
        )
        assert files["/project/poetry.lock"] == "lock"
        assert "/project/poetry.lock" not in files_of(poetry(lock=None, ignore_lockfile=True))

    def test_a_missing_lock_is_told_with_the_ways_out(self) -> None:
        with pytest.raises(NotFoundError, match=r"there is no d/poetry\.lock") as caught:
            poetry(lock=None)
        assert "poetry lock" in str(caught.value)
        assert "ignore_lockfile=True" in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "more", "words"),
        [
            ("[tool.x]\ny = 1", {}, ["is no project of poetry"]),
            ("[tool", {}, ["d/pyproject.toml, line 1", "not TOML"]),
            ("[project]\ndynamic = 'version'", {}, ["d/pyproject.toml: project.dynamic is not a list"]),
            (POETRY_PROJECT, {"with_": ["docs"]}, ["takes local from a local path", "../local", "without="]),
            (POETRY_PROJECT, {"only": ["docs"]}, ["takes local from a local path"]),
            (POETRY_PROJECT.replace("optional = true", ""), {}, ["takes local from a local path"]),
            (
                POETRY_PROJECT.replace('six = "*"', 'six = [{path = "a"}]'),
                {},
                ["takes six from a local path"],
            ),
        ],
    )
    def test_refusals(self, text: str, more: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(InvalidError) as caught:
            poetry(text, **more)
        assert all(word in str(caught.value) for word in words), str(caught.value)

    def test_a_missing_project(self) -> None:
        with pytest.raises(LocalFileError, match=r"the file pyproject\.toml does not exist"):
            compiled(base().poetry_install_from_file("pyproject.toml"), Answers(tree={}))
