"""Installers that read files: what they make of them, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llb.errors import InvalidError, InvalidTypeError, LLBError, LocalFileError
from llb.image import Image, LocalDirectory, Secret
from llb.pb import ops_pb2 as pb
from tests.unit.image.vertices import Answers, Compiled, base, compiled


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

    def test_an_unreadable_file_is_refused_with_the_reason(self, tmp_path: Path) -> None:
        (tmp_path / "requirements.txt").symlink_to("requirements.txt")
        with pytest.raises(LocalFileError, match="does not exist"):
            compiled(base().pip_install_from_requirements("requirements.txt"), LocalDirectory(tmp_path))

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
        import subprocess

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
