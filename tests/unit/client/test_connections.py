"""Addresses: what is refused, and what the refusal says."""

from __future__ import annotations

import errno
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llb.client import TLS, addresses, connect, default_address
from llb.errors import EngineError, InvalidTypeError


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: those of unix sockets have at most 107 characters."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def refusal(address: str, tls: TLS | None = None) -> EngineError:
    with pytest.raises(EngineError) as caught:
        connect(address, tls=tls)
    return caught.value


def test_an_engine_that_is_not_there(short: Path) -> None:
    error = refusal(f"unix://{short}/none.sock")
    assert "there is no such socket" in error.message
    assert "Start BuildKit" in error.hint
    assert "BUILDKIT_HOST" in error.hint


def test_a_socket_that_nobody_listens_on(short: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{short}/old.sock")
    assert "the connection is refused" in refusal(f"unix://{short}/old.sock").message


def test_a_port_that_nobody_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "the connection is refused" in refusal(f"tcp://127.0.0.1:{port}").message


def test_a_socket_without_permission(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):  # root may use every socket, and tests may run as root
        def connect(self, address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    (short / "x.sock").touch()
    monkeypatch.setattr(socket, "socket", Refused)
    error = refusal(f"unix://{short}/x.sock")
    assert "no permission" in error.message
    assert Path(short).owner() in error.message
    assert "group" in error.hint


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("ftp://host", "is no address of an engine"),
        ("", "no engine at"),
        ("unix://run/x.sock", "no absolute path"),
        ("tcp://host", "no host and port"),
        ("tcp://host:port", "no host and port"),
        ("/run/buildkit/buildkitd.sock", "is no address of an engine"),
    ],
)
def test_what_is_no_address(address: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDKIT_HOST", "unix:///nowhere/none.sock")
    error = refusal(address)
    assert says in error.message
    assert error.hint


def test_a_local_socket_takes_no_tls(short: Path) -> None:
    assert "takes no TLS" in refusal(f"unix://{short}/x", TLS(ca="ca.pem")).message


def test_a_tls_file_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        error = refusal(f"tcp://127.0.0.1:{server.getsockname()[1]}", TLS(ca="/nowhere/ca.pem"))
    assert "/nowhere/ca.pem cannot be read" in error.message


def test_which_engine_is_used_if_none_is_named(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setenv("BUILDKIT_HOST", " tcp://build.example:1234 ")
    assert default_address() == "tcp://build.example:1234"
    monkeypatch.setenv("BUILDKIT_HOST", "")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(addresses, "DEFAULT_ADDRESS", f"unix://{short}/buildkitd.sock")
    monkeypatch.setattr(addresses, "DOCKER_SOCKET", f"{short}/docker.sock")
    assert default_address() == f"unix://{short}/buildkitd.sock"
    (short / "docker.sock").touch()
    assert default_address() == "docker://"
    (short / "buildkitd.sock").touch()
    assert default_address() == f"unix://{short}/buildkitd.sock"
    (short / "buildkitd.sock").unlink()
    (short / "docker.sock").unlink()
    monkeypatch.setenv("DOCKER_HOST", "tcp://docker.example:2375")
    assert default_address() == "docker://"


def test_what_is_no_docker_engine(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{short}/web.sock")
        listener.listen()

        def serve() -> None:
            connection = listener.accept()[0]
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        error = refusal(f"docker://{short}/web.sock")
        thread.join()
    assert "says 'HTTP/1.1 404 Not Found'" in error.message
    assert "no such socket" in refusal(f"docker://{short}/none.sock").message
    monkeypatch.setenv("DOCKER_HOST", "ssh://user@host")
    assert "ssh://user@host is no address" in refusal("docker://").message
    assert "without TLS only" in refusal("docker://", TLS()).message


def test_an_engine_is_an_address_or_a_client() -> None:
    with pytest.raises(InvalidTypeError, match="not int: 7"):
        connect(7)  # pyright: ignore[reportArgumentType]
