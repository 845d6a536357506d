"""The same chain gives the same bytes under every Python that llb supports, each a real one in a container."""

from __future__ import annotations

from tests.integration.tools import ROOT, Tools

PROGRAM = """
import hashlib, sys
sys.path.insert(0, "/llb")
from llb import FilePatternMatcher, Image, compile_to_llb
chain = (
    Image.debian_slim("3.11").apt_install("git").pip_install("numpy", "six").env({"A": "b", "PATH": "/x:$PATH"})
    .workdir("/app").labels({"a": "1", "b": "2"}).cmd(["x"]).add_local_dir("llb", "/l", ignore=~FilePatternMatcher("*.py"))
)
print(sys.version_info[:2], hashlib.sha256(compile_to_llb(chain, source_files=lambda name: None).to_bytes()).hexdigest())
"""


def test_every_interpreter_compiles_the_same_bytes(docker: Tools) -> None:
    found: dict[str, str] = {}
    for image in ("python:3.11-slim-bookworm", "python:3.13-slim-trixie", "python:3.14-slim-trixie"):
        mount = f"--volume={ROOT}:/llb:ro"
        command = ("python", "-W", "error", "-B", "-c", PROGRAM)
        ran = docker.run(
            "docker", "run", "--rm", "--network=none", mount, "--workdir=/llb", image, *command
        ).ok()
        version, _, digest = ran.stdout.decode().strip().rpartition(" ")
        found[version] = digest
    assert sorted(found) == ["(3, 11)", "(3, 13)", "(3, 14)"]
    assert len(set(found.values())) == 1, found
