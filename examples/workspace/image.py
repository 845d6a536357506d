"""A workspace of uv: two packages of one repository, one lock; the source comes last."""

from llb import Image

image = (
    Image.from_registry("python:3.11-slim-bookworm")
    .uv_sync(".")
    .env({"PYTHONPATH": "/srv/core:/srv/api"})
    .cmd(["python", "-m", "api"])
    .add_local_dir("packages", "/srv", ignore=["**/__pycache__", "**/pyproject.toml"])
)
