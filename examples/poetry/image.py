"""A project of poetry: what its lock says, without the tools that only development needs."""

from llb import Image

image = (
    Image.from_registry("python:3.11-slim-bookworm")
    .poetry_install_from_file("pyproject.toml", without=["dev"], poetry_version="2.1.4")
    .workdir("/srv")
    .cmd(["python", "-m", "worker"])
    .add_local_dir("worker", "/srv/worker")
)
