"""A small real image: an interpreter, one package from PyPI, one file of this directory, a command."""

from llb import Image

image = (
    Image.debian_slim("3.11")
    .pip_install("cowsay==6.1")
    .workdir("/app")
    .env({"PYTHONUNBUFFERED": "1"})
    .cmd(["python", "hello.py"])
    .add_local_file("hello.py", "/app/hello.py")
)
