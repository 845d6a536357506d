"""What every installer takes, on a real engine: variables, secrets and force_build, and pip's flags."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.canary import CANARY
from tests.integration.tools import Tools

START = "from llb import Image, Secret\nslim = Image.from_registry('python:3.11-slim-bookworm')\n"

SPYING = r"""
token = Secret.from_local_environ(["TOKEN"])
# Runs each command as the usual shell does, and notes what it was given: of the secret only what proves it.
spy = 'echo "$VARIABLE $(printf %s "$TOKEN" | sha256sum)" >> /seen; exec /bin/sh -c "$0"'
spied = slim.run_commands("echo {nonce}").shell(["/bin/sh", "-c", spy])
image = (
    spied
    .run_commands("true", env={"VARIABLE": "run_commands"}, secrets=[token])
    .apt_install("hello", env={"VARIABLE": "apt_install"}, secrets=[token])
    .pip_install("six==1.16.0", env={"VARIABLE": "pip_install"}, secrets=[token])
    .pip_install_from_requirements("needs.txt", env={"VARIABLE": "pip_install_from_requirements"}, secrets=[token])
    .pip_install_from_pyproject("pyproject.toml", env={"VARIABLE": "pip_install_from_pyproject"}, secrets=[token])
    .uv_pip_install("iniconfig==2.0.0", env={"VARIABLE": "uv_pip_install"}, secrets=[token])
    .poetry_install_from_file("poetry/pyproject.toml", ignore_lockfile=True, poetry_version="2.1.4", env={"VARIABLE": "poetry_install_from_file"}, secrets=[token])
    .uv_sync(".", env={"VARIABLE": "uv_sync"}, secrets=[token])
    .dockerfile_commands("RUN true", env={"VARIABLE": "dockerfile_commands"}, secrets=[token])
)
"""
PROJECT = (
    "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['six==1.16.0']\n"
)
POETRY = (
    "[tool.poetry]\nname = 'app'\nversion = '1'\ndescription = ''\nauthors = []\npackage-mode = false\n"
    "[tool.poetry.dependencies]\npython = '>=3.11'\nsix = '1.16.0'\n"
    "[[tool.poetry.source]]\nname = 'simple'\nurl = 'https://pypi.org/simple/'\npriority = 'primary'\n"
)
FILES = {
    "needs.txt": "idna==3.10\n",
    "pyproject.toml": PROJECT,
    "poetry/pyproject.toml": POETRY,
    "Given": "FROM python:3.11-slim-bookworm\nRUN date +%N > /given\n",
}


def test_each_step_gets_its_variables_and_secrets_and_leaves_none(
    frontend: Tools, project: Callable[..., Path], tmp_path: Path, nonce: str
) -> None:
    # A value is in no key: cached steps would have seen that of an earlier run.
    chain = START + SPYING.replace("{nonce}", nonce)
    tools = replace(frontend, env={**frontend.env, "TOKEN": CANARY})
    last = f"{chain}\nseen = Image.from_scratch().copy_from(image, '/seen', '/seen')\n"
    context = project(last, **FILES)
    out = tmp_path / "out"
    tools.gateway(context, "--opt=target=seen", "--secret=id=TOKEN", f"--output=type=local,dest={out}").ok()
    token = hashlib.sha256(CANARY.encode()).hexdigest()
    seen = {line.split()[0] for line in (out / "seen").read_text().splitlines() if token in line}
    assert seen == {
        line.split('"VARIABLE": "')[1].split('"')[0] for line in SPYING.splitlines() if 'VARIABLE":' in line
    }


FORCED = """
image = Image.merge(
    slim.run_commands("date +%N > /now", force_build=True),
    slim.apt_install("sl", force_build=True),
    slim.pip_install("six==1.16.0", force_build=True),
    slim.pip_install_from_requirements("needs.txt", force_build=True),
    slim.pip_install_from_pyproject("pyproject.toml", force_build=True),
    slim.uv_pip_install("iniconfig==2.0.0", force_build=True),
    slim.uv_sync(".", force_build=True),
    slim.poetry_install_from_file("poetry/pyproject.toml", ignore_lockfile=True, poetry_version="2.1.4", force_build=True),
    slim.dockerfile_commands("RUN date +%N > /then", force_build=True),
    Image.from_dockerfile("Given", force_build=True),
    Image.from_registry("busybox:latest", force_build=True).run_commands("date > /forced-base"),
    Image.from_scratch(force_build=True).add_local_file("needs.txt", "/forced-scratch", copy=True),
    slim.run_commands("echo not forced"),
)
"""


def test_a_forced_step_runs_again_and_no_other(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(START + FORCED, **FILES)
    frontend.gateway(context).ok()
    again = frontend.gateway(context, progress="rawjson").ok()
    ran = "\n".join(again.not_cached())
    for text in ("date +%N > /now", "sl", "pip_install six", "requirements", "pyproject", "uv_pip_install", "uv_sync",
                 "poetry", "date +%N > /then", "date +%N > /given", "date > /forced-base", "/forced-scratch"):  # fmt: skip
        assert text in ran
    assert "not forced" not in ran


# -- pip's flags


def wheel(version: str) -> bytes:
    """A wheel of a package that no index has."""
    data = io.BytesIO()
    info = f"onlyhere-{version}.dist-info"
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("onlyhere.py", f"version = '{version}'\n")
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: onlyhere\nVersion: {version}\nRequires-Dist: nowhere-at-all\n",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{info}/RECORD", f"onlyhere.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return data.getvalue()


NAMES = ["onlyhere-1.0-py3-none-any.whl", "onlyhere-2.0rc1-py3-none-any.whl"]
SERVED = "".join([f'<a href="{name}">{name}</a>\n' for name in NAMES])
INDEX: dict[str, str | bytes] = {
    f"{place}/{name}": wheel(name.split("-")[1]) for place in ("wheels", "simple/onlyhere") for name in NAMES
} | {
    "simple/onlyhere/index.html": SERVED,
    "needs.txt": "onlyhere\n",
    "pyproject.toml": "[project]\nname = 'a'\nversion = '1'\ndependencies = ['onlyhere']\n",
}

FLAGS = """
base = slim.add_local_dir("wheels", "/wheels", copy=True).add_local_dir("simple", "/simple", copy=True)
index = "file:///simple"
chains = {
    "pip_install": [
        base.pip_install("onlyhere", find_links="/wheels", extra_options="--no-deps"),
        base.pip_install("onlyhere", index_url=index, extra_options="--no-deps"),
        base.pip_install("onlyhere", extra_index_url=index, pre=True, extra_options="--no-deps"),
    ],
    "pip_install_from_requirements": [
        base.pip_install_from_requirements("needs.txt", find_links="/wheels", extra_options="--no-deps"),
        base.pip_install_from_requirements("needs.txt", index_url=index, extra_options="--no-deps"),
        base.pip_install_from_requirements("needs.txt", extra_index_url=index, pre=True, extra_options="--no-deps"),
    ],
    "pip_install_from_pyproject": [
        base.pip_install_from_pyproject("pyproject.toml", find_links="/wheels", extra_options="--no-deps"),
        base.pip_install_from_pyproject("pyproject.toml", index_url=index, extra_options="--no-deps"),
        base.pip_install_from_pyproject("pyproject.toml", extra_index_url=index, pre=True, extra_options="--no-deps"),
    ],
    "uv_pip_install": [
        base.uv_pip_install("onlyhere", find_links="/wheels", extra_options="--no-deps"),
        base.uv_pip_install("onlyhere", index_url=index, extra_options="--no-deps"),
        base.uv_pip_install("onlyhere", extra_index_url=index, pre=True, extra_options="--no-deps"),
    ],
}
tell = "python -c 'import onlyhere; print(onlyhere.version)' > /version"
image = Image.from_scratch()
for number, chain in enumerate(chains["{method}"]):
    image = image.copy_from(chain.run_commands(tell), "/version", f"/version{{number}}")
"""


@pytest.mark.parametrize(
    "method",
    ["pip_install", "pip_install_from_requirements", "pip_install_from_pyproject", "uv_pip_install"],
)
def test_pips_flags_choose_where_a_package_comes_from(
    frontend: Tools, project: Callable[..., Path], tmp_path: Path, method: str
) -> None:
    context = project(
        START + FLAGS.replace("{method}", method).replace("{{", "{").replace("}}", "}"), **INDEX
    )
    out = tmp_path / "out"
    frontend.gateway(context, f"--output=type=local,dest={out}").ok()
    assert [(out / f"version{number}").read_text().strip() for number in range(3)] == ["1.0", "1.0", "2.0rc1"]


# -- what a project's installers choose from it

GROUPED = (
    "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['six==1.16.0']\n"
    "[project.optional-dependencies]\nweb = ['idna==3.10']\n[dependency-groups]\ntools = ['iniconfig==2.0.0']\n"
)
POETRY_GROUPS = (
    POETRY.replace("[[tool", "[tool.poetry.group.web]\noptional = true\n[[tool", 1)
    + "[tool.poetry.group.web.dependencies]\nidna = '3.10'\n[tool.poetry.group.dev.dependencies]\niniconfig = '2.0.0'\n"
)
CHOICES = """
chains = {
    "uv": slim.uv_sync("uv", extras=["web"], groups=["tools"], frozen=False, extra_options="--no-dev", uv_version="0.9.5"),
    "uv alone": slim.uv_sync("uv", uv_version="0.9.5"),
    "uv pip": slim.uv_pip_install("six==1.16.0", requirements=["idna.txt"], uv_version="0.9.5"),
    "poetry with": slim.poetry_install_from_file("poetry/pyproject.toml", ignore_lockfile=True, with_=["web"], poetry_version="2.1.4"),
    "poetry only": slim.poetry_install_from_file("poetry/pyproject.toml", ignore_lockfile=True, only=["dev"], poetry_version="2.1.4"),
    "poetry locked": slim.poetry_install_from_file("poetry/pyproject.toml", "elsewhere.lock", poetry_version="2.1.4", without=["dev"]),
}
tell = "python -c 'import importlib.util as u; print(*[n for n in (\\"six\\", \\"idna\\", \\"iniconfig\\") if u.find_spec(n)])' > /found"
image = Image.from_scratch()
for name, chain in chains.items():
    image = image.copy_from(chain.run_commands(tell), "/found", f"/{name}")
"""


def test_groups_extras_and_locks_of_projects(
    frontend: Tools, project: Callable[..., Path], tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, capture_output=True)
    context = project(
        START + CHOICES,
        **{"uv/pyproject.toml": GROUPED, "poetry/pyproject.toml": POETRY_GROUPS, "idna.txt": "idna==3.10\n"},
    )
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "poetry==2.1.4"], check=True, capture_output=True)
    subprocess.run(
        [tmp_path / "venv/bin/poetry", "lock"], cwd=context / "poetry", check=True, capture_output=True
    )
    (context / "poetry/poetry.lock").rename(context / "elsewhere.lock")
    out = tmp_path / "out"
    frontend.gateway(context, f"--output=type=local,dest={out}").ok()
    found = {path.name: set(path.read_text().split()) for path in out.iterdir()}
    assert found == {
        "uv": {"six", "idna", "iniconfig"},
        "uv alone": {"six"},
        "uv pip": {"six", "idna"},
        "poetry with": {"six", "idna", "iniconfig"},
        "poetry only": {"iniconfig"},
        "poetry locked": {"six"},
    }


SETTLED = """
def greet(image, name, punctuation):
    return image.run_commands(f"echo hello {name}{punctuation} > /greeting")

image = (
    Image.from_registry("busybox:latest")
    .pipe(greet, "you", punctuation="!")
    .healthcheck("test -f /greeting", interval=10, timeout=2, start_period=3, start_interval=1, retries=4)
)
"""


def test_a_pipe_and_a_healthcheck(docker: Tools, project: Callable[..., Path]) -> None:
    docker.docker_build(project(START + SETTLED), "--tag=llb-test-settled").ok()
    assert (
        docker.run("docker", "run", "--rm", "llb-test-settled", "cat", "/greeting").ok().text
        == "hello you!\n"
    )
    seen = docker.run("docker", "inspect", "--format={{json .Config.Healthcheck}}", "llb-test-settled").ok()
    second = 1_000_000_000
    assert json.loads(seen.stdout) == {
        "Test": ["CMD-SHELL", "test -f /greeting"],
        "Interval": 10 * second,
        "Timeout": 2 * second,
        "StartPeriod": 3 * second,
        "StartInterval": second,
        "Retries": 4,
    }
