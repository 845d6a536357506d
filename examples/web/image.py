"""A web service: pinned requirements, a user of its own, and its source as the last, independent layer."""

from llb import Image

PORT = 8000

image = (
    Image.from_registry("python:3.11-slim-bookworm")
    .pip_install_from_requirements("requirements.txt")
    .run_commands("useradd --create-home --uid 1000 app")
    .workdir("/srv")
    .user("app")
    .env({"PYTHONUNBUFFERED": "1"})
    .expose(PORT)
    .healthcheck(
        ["python", "-c", f"import urllib.request as r; r.urlopen('http://127.0.0.1:{PORT}/healthy')"],
        interval=5,
    )
    .cmd(["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", str(PORT)])
    .add_local_dir("app", "/srv/app", ignore=["**/__pycache__", "**/*.pyc"])
)
