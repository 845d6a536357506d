"""Installers by the real tools, from files of a project and from private repositories; then what is in the image."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from llb.image.recipes import DEFAULT_RECIPE, RECIPES
from tests.integration.canary import CANARY
from tests.integration.tools import Tools

SLIM = "from llb import Image, Secret\nslim = Image.from_registry('python:3.11-slim-bookworm')\n"
UV = RECIPES[DEFAULT_RECIPE].uv
SITE = "usr/local/lib/python3.11/dist-packages"
GENUINE = "usr/local/lib/python3.11/site-packages"


@dataclass(frozen=True)
class Built:
    """The files that a chain added to its base, by name, and what the engine said."""

    files: dict[str, bytes]
    config: dict[str, Any]
    log: str

    def top(self) -> set[str]:
        """The directories at the root that the chain touched."""
        return {name.partition("/")[0] for name in self.files}

    def modules(self) -> set[str]:
        """Names of what is in the interpreter's own packages."""
        found = [
            name.removeprefix(f"{place}/")
            for name in self.files
            for place in (SITE, GENUINE)
            if name.startswith(place)
        ]
        return {name.partition("/")[0].removesuffix(".py") for name in found if "dist-info" not in name}

    def distributions(self) -> set[str]:
        """Names and versions of what was installed."""
        parts = [part for name in self.files for part in name.split("/") if part.endswith(".dist-info")]
        return {part.removesuffix(".dist-info") for part in parts}


def build(engine: Tools, context: Path, name: str, *arguments: str, layers: int) -> Built:
    """Builds and pushes; reads the last layers."""
    reference = f"{engine.registry}/test/installers-{name}:latest"
    ran = engine.gateway(context, f"--output=type=image,name={reference},push=true", *arguments).ok()
    files: dict[str, bytes] = {}
    for layer in engine.layers(reference)[-layers:]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isfile() else None
                if not entry.isdir():
                    files[entry.name] = content.read() if content else b""
    return Built(files, engine.image_config(reference), ran.text)


def test_requirement_files_with_all_that_they_include(frontend: Tools, project: Callable[..., Path]) -> None:
    files = {
        "requirements/dev.txt": "\ufeff# for developers\r\n-r base.txt\r\n-c ../pins.txt\r\nidna\r\n",
        "requirements/base.txt": "six \\\n  >= 1.15\n",
        "pins.txt": "six==1.16.0\nidna==3.10\n",
    }
    image = SLIM + "image = slim.pip_install_from_requirements('requirements/dev.txt')\n"
    built = build(frontend, project(image, **files), "requirements", layers=1)
    assert built.modules() >= {"six", "idna"}
    assert any("six-1.16.0.dist-info" in name for name in built.files)
    assert built.top() == {"usr"}
    files["requirements/dev.txt"] = "idna # in another order\n\n-c ../pins.txt\n-r base.txt"
    again = frontend.gateway(project(image, **files), progress="rawjson").ok()
    assert again.not_cached() == []


def test_docker_build_reads_them_too(docker: Tools, project: Callable[..., Path]) -> None:
    image = SLIM + "image = slim.pip_install_from_requirements('requirements/dev.txt')\n"
    files = {"requirements/dev.txt": "-r ../more.txt\n", "more.txt": "six==1.16.0\n"}
    docker.docker_build(project(image, **files), "--network=host", "--tag=llb-test-requirements").ok()
    shown = docker.run(
        "docker", "run", "--rm", "llb-test-requirements", "python", "-c", "import six; print(six.__version__)"
    )
    assert shown.ok().stdout == b"1.16.0\n"


def test_the_dependencies_of_a_project(frontend: Tools, project: Callable[..., Path]) -> None:
    text = (
        "[project]\nname = 'x'\ndependencies = ['six==1.16.0']\noptional-dependencies.more = ['idna==3.10']\n"
    )
    image = SLIM + "image = slim.pip_install_from_pyproject('pyproject.toml', ['more'])\n"
    built = build(frontend, project(image, **{"pyproject.toml": text}), "pyproject", layers=1)
    assert built.modules() >= {"six", "idna"}
    again = frontend.gateway(
        project(image, **{"pyproject.toml": f"# edited\n{text}[tool.x]\n"}), progress="rawjson"
    )
    assert again.ok().not_cached() == []


def test_uv_installs_compiled_packages_and_is_not_in_the_image(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    image = SLIM + "image = slim.uv_pip_install('six==1.16.0', requirements=['r.txt'])\n"
    built = build(frontend, project(image, **{"r.txt": "idna==3.10 # pinned\n"}), "uv", layers=1)
    assert built.modules() >= {"six", "idna"}
    assert any(name.endswith("six.cpython-311.pyc") for name in built.files)
    assert built.top() == {"usr"}
    assert not [name for name in built.files if name.rpartition("/")[2] in ("uv", "uvx")]


def wheel(name: str, version: str) -> bytes:
    """A package."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    members = {
        f"{module}.py": "FOUND = True\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path), text)  # the same bytes each time
    return data.getvalue()


class Index(BaseHTTPRequestHandler):
    """Indexes and a page of links, with packages that are nowhere else."""

    pages: ClassVar[dict[str, dict[str, list[str]]]] = {
        "simple": {"llb-only-here": ["1"]},
        "extra": {"llb-bare": ["1", "2rc1"]},
        "links": {"llb-linked": ["1"]},
    }

    def do_GET(self) -> None:
        kind = "text/html"
        found: str | bytes | None = None
        page, _, name = self.path.strip("/").partition("/")
        packages = self.pages.get(page, {})
        if page == "files":
            module, version, *_ = name.split("-")
            found, kind = wheel(module.replace("_", "-"), version), "application/zip"
        elif page == "links" or name in packages:
            files = [
                f"{one.replace('-', '_')}-{version}-py3-none-any.whl"
                for one, versions in packages.items()
                for version in versions
                if page == "links" or one == name
            ]
            found = "".join([f'<a href="/files/{file}">{file}</a>' for file in files])
        body = found.encode() if isinstance(found, str) else found or b""
        self.send_response(404 if found is None else 200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        pass


@pytest.fixture
def index() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_index_of_pips_config_is_uvs_too(
    frontend: Tools, project: Callable[..., Path], index: str
) -> None:
    image = SLIM + (
        "image = (slim.uv_pip_install('six==1.16.0')\n"
        f"  .run_commands(\"printf '[global]\\\\nindex-url = {index}/simple\\\\n' > /etc/pip.conf\")\n"
        "  .uv_pip_install('llb-only-here').run_commands('python -c \"import llb_only_here\"'))\n"
    )
    seen = frontend.gateway(project(image), progress="rawjson").ok()
    assert all(
        index not in vertex.name for vertex in seen.vertices().values() if "run_commands" not in vertex.name
    )


def test_an_index_given_as_env_wins(frontend: Tools, project: Callable[..., Path], index: str) -> None:
    chain = "slim.uv_pip_install('six==1.16.0').uv_pip_install('llb-only-here', {})"
    given = f"env={{'UV_DEFAULT_INDEX': '{index}/simple'}}"
    frontend.gateway(project(SLIM + f"image = {chain.format(given)}\n")).ok()
    given = f"index_url='{index}/simple', env={{'UV_DEFAULT_INDEX': 'http://127.0.0.1:1/simple'}}"
    frontend.gateway(project(SLIM + f"image = {chain.format(given)}\n")).ok()


def lock(directory: Path) -> None:
    """Locks a project of uv's, with the uv of this environment."""
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "lock", "--project", directory], check=True, capture_output=True)


def test_a_workspace_is_synced_into_an_environment_that_is_first_on_path(
    frontend: Tools, project: Callable[..., Path], tmp_path: Path
) -> None:
    member = (
        "[project]\nname = 'lib'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['idna==3.10']\n"
    )
    root = (
        "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['six==1.16.0', 'lib']\n"
        "[dependency-groups]\nextra = ['iniconfig==2.0.0']\n"
        "[tool.uv.sources]\nlib = { workspace = true }\n[tool.uv.workspace]\nmembers = ['libs/*']\n"
    )
    # By another user than root, whose home is not there: uv keeps nothing.
    image = SLIM + (
        "image = slim.user('1000:1000').uv_sync('app', groups=['extra'])\n"
        "check = image.run_commands('python -c \"import sys, six, idna, iniconfig; assert sys.prefix == \\'/.uv/.venv\\'\"')\n"
    )
    files = {"app/pyproject.toml": root, "app/libs/lib/pyproject.toml": member}
    project(**files)
    lock(tmp_path / "app")
    context = project(image)
    frontend.gateway(context, "--opt=target=check").ok()
    built = build(frontend, context, "sync", "--opt=target=image", layers=2)
    assert built.top() == {".uv"}
    assert not [name for name in built.files if name.endswith("lib.py") or name.rpartition("/")[2] == "uv"]
    assert built.config["config"]["Env"][0].startswith("PATH=/.uv/.venv/bin:")
    files["app/pyproject.toml"] = f"# edited\n{root}[tool.other]\nx = 1\n"
    again = frontend.gateway(project(**files), "--opt=target=image", progress="rawjson").ok()
    assert again.not_cached() == []


POETRY = (
    "[tool.poetry]\nname = 'app'\nversion = '1'\ndescription = ''\nauthors = []\npackage-mode = false\n"
    "[tool.poetry.dependencies]\npython = '>=3.11'\nsix = '1.16.0'\n"
    "[tool.poetry.group.dev.dependencies]\nidna = '3.10'\n"
    # The index of the simple interface: what mirrors have.
    "[[tool.poetry.source]]\nname = 'simple'\nurl = 'https://pypi.org/simple/'\npriority = 'primary'\n"
)


def test_poetry_installs_into_the_interpreter_and_is_not_in_the_image(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    chain = "slim.poetry_install_from_file('pyproject.toml', ignore_lockfile=True, without=['dev'], poetry_version='2.1.4')"
    built = build(
        frontend, project(SLIM + f"image = {chain}\n", **{"pyproject.toml": POETRY}), "poetry", layers=1
    )
    assert built.modules() - {"__pycache__"} == {"six"}
    assert any(name.endswith("six.cpython-311.pyc") for name in built.files)
    assert built.top() == {"usr"}


def test_a_lock_of_poetrys_that_is_not_the_projects_is_told_by_poetry(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    locked = (
        "package = []\n[metadata]\nlock-version = '2.1'\npython-versions = '>=3.11'\ncontent-hash = 'none'\n"
    )
    chain = "slim.poetry_install_from_file('pyproject.toml', poetry_version='2.1.4')"
    context = project(SLIM + f"image = {chain}\n", **{"pyproject.toml": POETRY, "poetry.lock": locked})
    failed = frontend.gateway(context).failed()
    assert "pyproject.toml changed significantly since poetry.lock was last generated" in failed.text
    assert "image.py:3" in failed.text


# -- private repositories


class Git(BaseHTTPRequestHandler):
    """`git http-backend` behind basic authentication, as the services have it."""

    root: Path
    seen: list[str]

    def do_GET(self) -> None:
        given = self.headers.get("Authorization", "")
        self.seen.append(base64.b64decode(given.removeprefix("Basic ")).decode())
        if self.seen[-1] != f"me:{CANARY}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=True
        )
        head, _, content = answer.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = dict(lines).get("Status", "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        pass


BACKEND = """import zipfile
def build_wheel(directory, settings=None, metadata=None):
    file, info = "{name}-1-py3-none-any.whl", "{name}-1.dist-info/"
    with zipfile.ZipFile(directory + "/" + file, "w") as wheel:
        wheel.write("{name}.py")
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: 1\\n{needs}")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return file
"""
"""Builds the package without asking an index for anything."""


def repository(path: Path, name: str, needs: str = "") -> None:
    """A repository with a Python package."""
    path.mkdir(parents=True)
    (path / f"{name}.py").write_text(f'"""{name}"""\n__version__ = "1"\n')
    (path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (path / "backend.py").write_text(BACKEND.format(name=name, needs=needs))
    who = [
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@y",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "commit.gpgsign=false",
    ]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "v1"]):
        subprocess.run(["git", *who, *command], cwd=path, check=True, capture_output=True)


@dataclass(frozen=True)
class Served:
    host: str
    seen: list[str]


@pytest.fixture
def git_host(tmp_path: Path) -> Iterator[Served]:
    """A host with two private repositories, the first of which needs the second."""
    if not shutil.which("git") or not shutil.which("openssl"):
        pytest.skip("no git or openssl on this machine")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    seen: list[str] = []
    handler = type("Handler", (Git,), {"root": tmp_path / "repositories", "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        host = f"127.0.0.1:{server.server_port}"
        needs = f"Requires-Dist: llb_private_two @ git+https://{host}/team/two\\n"
        needs += "Requires-Dist: llb-bare\\nRequires-Dist: llb-linked\\n"
        repository(
            tmp_path / "repositories/team/one",
            "llb_private_one",
            needs,
        )
        repository(tmp_path / "repositories/team/two", "llb_private_two")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Served(host, seen)
        server.shutdown()


NOTING = """.apt_install('git').run_commands(
    "mkdir /opt/bin", r'''printf '%s\\n' '#!/bin/sh' 'cat /proc/[0-9]*/cmdline >> /seen' 'exec /usr/bin/git "$@"' > /opt/bin/git''',
    "chmod 755 /opt/bin/git").env({'PATH': '/opt/bin:$PATH'})"""
"""A `git` that notes what all processes were called with."""


def private(host: str, index: str, before: str = "") -> str:
    """A chain with a private repository, of a host whose certificate is nobody's, and with all that it needs."""
    call = """.pip_install_private_repos('HOST/team/one@v1', git_user='me', find_links='http://index/links',
    index_url='http://index/simple', extra_index_url='http://index/extra', pre=True, extra_options='--no-warn-script-location',
    secrets=[Secret.from_local_environ(['GIT_TOKEN'])], env={'GIT_SSL_NO_VERIFY': '1'}, force_build=FORCE)"""
    call = call.replace("FORCE", "True" if before else "False")
    return f"slim{before}{call}".replace("HOST", host).replace("http://index", index)


def with_token(tools: Tools, token: str) -> Tools:
    return replace(tools, env={**tools.env, "TOKEN_OF_TEST": token})


def test_private_repositories_and_no_token_anywhere(
    frontend: Tools, project: Callable[..., Path], git_host: Served, index: str
) -> None:
    tools = with_token(frontend, CANARY)
    secret = "--secret=id=GIT_TOKEN,env=TOKEN_OF_TEST"
    image = SLIM + f"image = ({private(git_host.host, index, NOTING)})\n"
    built = build(tools, project(image), "private", secret, layers=3)
    assert built.modules() >= {"llb_private_one", "llb_private_two", "llb_linked"}
    assert "llb_bare-2rc1" in built.distributions()
    assert f"me:{CANARY}" in git_host.seen
    [note] = [
        data
        for name, data in built.files.items()
        if "llb_private_one" in name and name.endswith("direct_url.json")
    ]
    assert json.loads(note)["url"] == f"https://{git_host.host}/team/one"
    commands = built.files["seen"]
    assert b"clone" in commands
    assert git_host.host.encode() in commands
    for secret_text in (CANARY, base64.b64encode(f"me:{CANARY}".encode()).decode()):
        assert not [name for name, data in built.files.items() if secret_text.encode() in data]
        assert secret_text not in json.dumps(built.config)
        assert secret_text not in built.log
    assert not [name for name in built.files if "/.git/" in name or name.startswith((".llb", "root", "tmp"))]


def test_a_wrong_token_and_an_empty_one(
    frontend: Tools, project: Callable[..., Path], git_host: Served, index: str
) -> None:
    image = SLIM + f"image = ({private(git_host.host, index)})\n"
    secret = "--secret=id=GIT_TOKEN,env=TOKEN_OF_TEST"
    wrong = with_token(frontend, "wrong").gateway(project(image), secret).failed()
    assert "Authentication failed" in wrong.text
    assert "me:wrong" in git_host.seen
    empty = with_token(frontend, "").gateway(project(image), secret).failed()
    assert "GIT_TOKEN is not set" in empty.text
    assert "<Secret: GIT_TOKEN>" in empty.text


# -- tools from elsewhere, and old ones

OWN_POETRY = """
own = slim.run_commands('python -m pip install poetry==2.1.4').poetry_install_from_file(
    'pyproject.toml', ignore_lockfile=True, poetry_version=None)
too_new = slim.poetry_install_from_file('pyproject.toml', ignore_lockfile=True, old_installer=True, poetry_version='2.1.4')
"""


def test_a_poetry_that_the_image_has(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(SLIM + OWN_POETRY, **{"pyproject.toml": POETRY})
    built = build(frontend, context, "poetry-own", "--opt=target=own", layers=1)
    assert "six-1.16.0" in built.distributions()


def test_the_old_installer_of_a_poetry_that_has_none_is_told_by_poetry(
    frontend: Tools, project: Callable[..., Path]
) -> None:
    context = project(SLIM + OWN_POETRY, **{"pyproject.toml": POETRY})
    refused = frontend.gateway(context, "--opt=target=too_new").failed()
    assert "Setting experimental.new-installer does not exist" in refused.text


def test_uv_of_an_image_that_has_it(frontend: Tools, project: Callable[..., Path]) -> None:
    tool = (
        f"fetched = slim.run_commands('python -m pip install --no-deps --target /t uv=={UV}')\n"
        "image = Image.from_scratch().copy_from(fetched, '/t/bin/uv', '/uv')\n"
    )
    reference = f"{frontend.registry}/test/uv:1"
    frontend.gateway(project(SLIM + tool), f"--output=type=image,name={reference},push=true").ok()
    # No pip is asked for anything.
    image = SLIM + (
        "image = slim.run_commands('rm -r /usr/lib/python3/dist-packages/pip || python -m pip uninstall -y pip')"
        f".uv_pip_install('six==1.16.0', uv_version='{reference}')\n"
    )
    built = build(frontend, project(image), "uv-image", layers=1)
    assert built.distributions() == {"six-1.16.0"}
    assert built.top() == {"usr"}


GPU = (
    SLIM
    + """
secrets = [Secret.from_dict({'GIT_TOKEN': ''})]
apt = slim.apt_install('hello', gpu='any')
pip = slim.pip_install('six', gpu='any')
files = slim.pip_install_from_requirements('r.txt', gpu='any')
project = slim.pip_install_from_pyproject('pyproject.toml', gpu='any')
private = slim.pip_install_private_repos('127.0.0.1:1/a/b', git_user='me', secrets=secrets, gpu='any')
uv = slim.uv_pip_install('six', gpu='any')
sync = slim.uv_sync(gpu='any')
poetry = slim.poetry_install_from_file('pyproject.toml', ignore_lockfile=True, poetry_version='2.1.4', gpu='any')
"""
)


@pytest.mark.parametrize("target", ["apt", "pip", "files", "project", "private", "uv", "sync", "poetry"])
def test_each_installer_asks_the_engine_for_a_gpu(
    frontend: Tools, project: Callable[..., Path], target: str
) -> None:
    """The engine of the tests has none, and says so; what it does for a step with one is tested with volumes and GPUs."""
    text = "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['six']\n"
    context = project(GPU, **{"r.txt": "six", "pyproject.toml": text})
    tools = with_token(frontend, "x")
    ran = tools.gateway(context, f"--opt=target={target}", "--secret=id=GIT_TOKEN,env=TOKEN_OF_TEST")
    assert ran.status == 0 or "nvidia.com/gpu" in ran.text, ran.text
