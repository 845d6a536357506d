"""`image.build()`: images built from Python on a real engine, with local files, secrets, logins; and what goes wrong."""

from __future__ import annotations

import base64
import glob
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from llb import Image, compile_to_llb
from llb.client import Event, LogEvent, StatusEvent, VertexEvent, connect
from llb.errors import (
    BaseError,
    EngineError,
    ExecutionError,
    ImageBuildError,
    InvalidError,
    LocalFileError,
    UnsupportedError,
)
from llb.image import LocalDirectory, Secret
from tests.integration.tools import ROOT, Tools


@pytest.fixture(autouse=True)
def here(
    engine: Tools, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rig's engine is this process's, and nothing is remembered longer than a test."""
    for name in ("BUILDKIT_HOST", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, engine.env[name])
    monkeypatch.setenv("LLB_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    monkeypatch.chdir(tmp_path)


def odd_files(root: Path) -> None:
    """Everything that a directory can hold and an image keeps."""
    for path, mode in {
        "a/b": 0o644,
        "a-b": 0o4755,
        "a.d/x": 0o600,
        "ö dd [name]*": 0o640,
        "B": 0o444,
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        file.chmod(mode)
    (root / "empty").mkdir()
    (root / "empty").chmod(0o1777)
    (root / "closed").mkdir(0o700)
    for name, target in {
        "link": "a/b",
        "dangling": "nowhere",
        "dir": "a",
        "up": "../..",
        "abs": "/etc",
    }.items():
        (root / name).symlink_to(target)
    os.link(root / "B", root / "hard")
    os.mkfifo(root / "pipe")
    os.setxattr(root / "B", "user.kept", b"yes")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(root)
        listener.bind("sock")
    (root / "big").write_bytes(os.urandom(5_000_000))
    (root / "many").mkdir()
    for number in range(3000):
        (root / f"many/{number}").write_text(str(number))


def test_a_context_with_odd_files_arrives_as_buildctl_brings_it(engine: Tools, tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "src").mkdir(parents=True)
    odd_files(context / "src")
    image = Image.from_scratch().add_local_dir("src", "/app", copy=True, ignore=["many/1*", "!many/12*"])
    image.build(context=context, output=tmp_path / "ours.tar", progress="quiet")
    definition = compile_to_llb(image, resolver=LocalDirectory(context))
    engine.buildctl(
        f"--local=context={context}",
        f"--output=type=tar,dest={tmp_path / 'theirs.tar'}",
        stdin=definition.to_bytes(),
    ).ok()
    ours, theirs = entries(tmp_path / "ours.tar"), entries(tmp_path / "theirs.tar")
    assert ours == theirs
    assert "app/many/12" in ours
    assert "app/many/13" not in ours
    image.build(context=context, output=tmp_path / "folder", progress="quiet")
    found = {path.relative_to(tmp_path / "folder").as_posix() for path in (tmp_path / "folder").rglob("*")}
    assert found == set(ours)
    assert (tmp_path / "folder/app/big").read_bytes() == (context / "src/big").read_bytes()


def entries(path: Path) -> dict[str, tuple[object, ...]]:
    with tarfile.open(path) as archive:
        return {
            member.name: (
                member.mode, member.type, member.linkname, member.mtime, member.uid, member.gid,
                tuple(member.pax_headers.items()), _content(archive, member),
            )
            for member in archive
        }  # fmt: skip


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isreg() else None
    return file.read() if file is not None else b""


def test_an_image_is_pushed_with_its_config_and_history(engine: Tools, tmp_path: Path, nonce: str) -> None:
    (tmp_path / "data").write_text(nonce)
    tag = f"{engine.registry}/test/python-door:{uuid.uuid4().hex[:8]}"
    image = (
        Image.from_registry("busybox")
        .run_commands("echo built > /built")
        .env({"WHO": "llb"})
        .cmd(["cat", "/data"])
        .add_local_file("data", "/data")
    )
    built = image.build(tags=tag, push=True, progress="quiet")
    assert built.object_id.startswith("im-")
    config = engine.image_config(tag)
    assert config["config"]["Cmd"] == ["cat", "/data"]
    assert "WHO=llb" in config["config"]["Env"]
    with tarfile.open(fileobj=io.BytesIO(engine.layers(tag)[-1])) as layer:
        file = layer.extractfile("data")
        assert file is not None
        assert file.read() == nonce.encode()
    written = [entry["created_by"] for entry in config["history"] if not entry.get("empty_layer")]
    assert written[-1] == "COPY data /data # buildkit"
    assert len(written) == len(config["rootfs"]["diff_ids"])


def test_two_platforms_become_one_index(engine: Tools, tmp_path: Path, nonce: str) -> None:
    (tmp_path / "data").write_text(nonce)
    tag = f"{engine.registry}/test/python-platforms:{uuid.uuid4().hex[:8]}"
    image = Image.from_scratch().add_local_file("data", "/data", copy=True)
    image.build(platform=["linux/amd64", "linux/arm64"], tags=tag, push=True, progress="quiet")
    found = {entry["platform"]["architecture"] for entry in engine.index(tag)["manifests"]}
    assert {"amd64", "arm64"} <= found


def test_an_image_archive(engine: Tools, tmp_path: Path) -> None:
    image = Image.from_registry("busybox").run_commands("true")
    image.build(output=["oci:image.tar", "out.tar"], progress="quiet")
    with tarfile.open(tmp_path / "image.tar") as archive:
        index = archive.extractfile("index.json")
        assert index is not None
        assert json.load(index)["manifests"]
    assert sorted(os.listdir(tmp_path)) == ["image.tar", "out.tar"]


def test_steps_get_the_values_of_their_secrets_and_nobody_else_does(
    nonce: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    value = f"canary-{uuid.uuid4().hex}"
    image = Image.from_registry("busybox").run_commands(
        f'echo {nonce}; echo -n "$TOKEN" | wc -c', secrets=[Secret.from_dict({"TOKEN": value})]
    )
    built = image.build(output="out.tar")
    assert built.logs.fetch().splitlines() == [nonce, str(len(value))]
    assert value.encode() not in (tmp_path / "out.tar").read_bytes()
    remembered = b"".join(path.read_bytes() for path in Path(os.environ["LLB_DATA_DIR"]).rglob("*.json"))
    assert nonce.encode() in remembered
    assert value.encode() not in remembered
    assert value not in "".join(capfd.readouterr())


def test_a_secret_that_cannot_be_had_is_named(nonce: str) -> None:
    secret = Secret.from_name("nobody-knows", required_keys=["LLB_TEST_NOT_THERE"])
    image = Image.from_registry("busybox").run_commands(f"echo {nonce}", secrets=[secret])
    with pytest.raises(Exception, match="LLB_TEST_NOT_THERE"):
        image.build(progress="quiet")


def test_a_failing_step_tells_its_line_its_output_and_its_exit_code(nonce: str) -> None:
    image = Image.from_registry("busybox").run_commands(
        f"echo {nonce}; for i in $(seq 50); do echo line $i; done; sleep 0.5; echo oops >&2; exit 7"
    )
    with pytest.raises(ImageBuildError) as caught:
        image.build(progress="quiet")
    error = caught.value
    assert error.exit_code == 7
    assert {"line 50", "oops"} <= set(error.log)  # the streams come apart
    assert len(error.log) == 20
    assert error.location is not None
    assert Path(error.location.filename).name == Path(__file__).name
    assert "run_commands" in Path(__file__).read_text().splitlines()[error.location.line - 1]
    assert "exit code 7" in str(error)
    assert "  oops" in str(error)
    assert error.image_id.startswith("im-")
    assert "oops" in image.logs.fetch()
    assert len(image.logs.tail(3).splitlines()) == 3


def test_no_engine_is_told_before_anything_else() -> None:
    with pytest.raises(EngineError, match="there is no such socket"):
        Image.from_scratch().build(engine="unix:///nowhere/buildkitd.sock")


def test_a_push_without_a_name_is_refused() -> None:
    with pytest.raises(InvalidError, match="nowhere to push"):
        Image.from_registry("busybox").build(push=True, progress="quiet")


def test_a_registry_that_refuses_a_push(engine: Tools) -> None:
    with pytest.raises(ImageBuildError, match=r"127\.0\.0\.1:1"):
        Image.from_registry("busybox").build(tags="127.0.0.1:1/x:1", push=True, progress="quiet")


def test_dockers_logins_open_private_registries(
    engine: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = engine.env.get("REGISTRY_PRIVATE", "")
    if not private:
        pytest.skip(f"no registry-private: {engine.env.get('LLB_RIG_MISSING')}")
    name = f"test/python-private:{uuid.uuid4().hex[:8]}"  # both registries have one storage
    Image.from_registry("busybox").build(tags=f"{engine.registry}/{name}", push=True, progress="quiet")
    image = Image.from_registry(f"{private}/{name}").run_commands("test -x /bin/sh")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(BaseError, match="cannot be had") as caught:
        image.build(progress="quiet")
    assert f"docker login {private}" in caught.value.hint
    login = f"{engine.env['REGISTRY_PRIVATE_USER']}:{engine.env['REGISTRY_PRIVATE_PASSWORD']}"
    auths = {"auths": {private: {"auth": base64.b64encode(login.encode()).decode()}}}
    (tmp_path / "config.json").write_text(json.dumps(auths))
    image.build(progress="quiet")


def test_an_unreadable_or_impossible_local_file_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / os.fsdecode(b"odd\xff")).write_text("")
    with pytest.raises(LocalFileError, match="not UTF-8"):
        Image.from_scratch().add_local_dir("src", "/app", copy=True).build(progress="quiet")


def test_a_file_that_is_modified_while_it_is_built_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "src").mkdir()
    for name in ("src/late", "src/other"):
        (tmp_path / name).write_text(name)
    image = Image.from_scratch().add_local_dir("src", "/src")
    image.build(progress="quiet")
    os.utime(tmp_path / "src/late", (time.time() + 60, time.time() + 60))
    with pytest.raises(ExecutionError, match="src/late was modified during the build"):
        image.build(progress="quiet")
    monkeypatch.setenv("MODAL_BUILD_VALIDATION", "warn")
    image.build()
    assert "src/late was modified during the build" in capfd.readouterr().err
    monkeypatch.delenv("MODAL_BUILD_VALIDATION")
    Image.from_scratch().add_local_dir("src", "/src", ignore=["late"]).build(progress="quiet")


def test_an_output_that_cannot_be_written_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalFileError, match="cannot be written"):
        Image.from_registry("busybox").build(output="file/out.tar", progress="quiet")
    assert os.listdir(tmp_path) == ["file"]


def test_a_built_image_is_found_by_its_id_and_its_name(tmp_path: Path, nonce: str) -> None:
    (tmp_path / "data").write_text(nonce)
    base = (
        Image.from_registry("busybox")
        .add_local_file("data", "/data", copy=True)
        .run_commands(f"echo {nonce} > /made")
        .env({"WHO": "llb"})
    )
    built = base.build(progress="quiet")
    identifier = built.object_id
    assert base.add_local_file("data", "/late").object_id == identifier
    assert base.hydrate() is base
    built.publish("dev/base:1")
    seen: list[Event] = []
    child = Image.from_name("base:1", environment_name="dev").run_commands('cat /data /made; echo "$WHO"')
    child.build(progress="quiet", on_event=seen.append)
    assert child.logs.fetch() == f"{nonce}{nonce}\nllb\n"
    made = [event for event in seen if isinstance(event, LogEvent)]
    assert len({event.vertex for event in made}) == 1  # the steps below were not run again
    assert child.object_id != identifier
    assert Image.from_name("dev/base:1").hydrate().object_id == identifier
    (tmp_path / "data").write_text("other")
    with pytest.raises(ExecutionError, match="have changed since it was built"):
        Image.from_id(identifier).run_commands("true").build(progress="quiet")


def test_lazily_added_files_have_their_parents_id(tmp_path: Path, nonce: str) -> None:
    (tmp_path / "data").write_text(nonce)
    base = Image.from_registry("busybox").run_commands(f"echo {nonce}")
    image = base.add_local_file("data", "/data").build(progress="quiet")
    assert image.object_id == base.build(progress="quiet").object_id


@pytest.fixture
def left() -> Iterator[None]:
    """Nothing is left behind: no thread, no folder, no socket."""

    def there() -> set[str]:
        return set(glob.glob(f"{tempfile.gettempdir()}/llb-*")) | {
            thread.name for thread in threading.enumerate() if thread.name.startswith("llb")
        }

    before = there()
    yield
    deadline = time.monotonic() + 15
    while (rest := there() - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert rest == set()


@pytest.mark.usefixtures("left")
def test_a_build_leaves_nothing_behind(nonce: str) -> None:
    Image.from_registry("busybox").run_commands("true").build(progress="quiet")
    with pytest.raises(ImageBuildError):
        Image.from_registry("busybox").run_commands(f"echo {nonce}; false").build(progress="quiet")


@pytest.mark.usefixtures("left")
def test_an_interrupt_ends_the_build_on_both_sides(tmp_path: Path, nonce: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        from llb import Image
        Image.from_registry("busybox").run_commands("echo started {nonce}; sleep 300").build(output="out.tar")
        """)
    )
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.rstrip().endswith(f"started {nonce}"):
            break
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) != 0
    assert time.monotonic() - begun < 20
    assert "KeyboardInterrupt" in rest
    assert os.listdir(tmp_path) == ["script.py"]
    # The engine has stopped too: the same step is run anew at once, not joined.
    with connect() as client, client.gateway(internal=True) as bridge:
        assert bridge.ping().result().llb_caps


def test_progress_is_lines_on_standard_error(nonce: str, capfd: pytest.CaptureFixture[str]) -> None:
    Image.from_registry("busybox").run_commands(f"echo said {nonce}").build()
    out, err = capfd.readouterr()
    assert out == ""
    assert f"run_commands echo said {nonce}" in err
    assert [
        line for line in err.splitlines() if line.endswith(f" said {nonce}") and "run_commands" not in line
    ]
    Image.from_registry("busybox").run_commands(f"echo said {nonce}").build()
    assert "CACHED" in capfd.readouterr().err


def test_builds_at_once_keep_their_files_apart(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def build(number: int) -> bytes:
        context = tmp_path / str(number)
        context.mkdir()
        (context / "data").write_text(f"of {number}")
        image = Image.from_scratch().add_local_file("data", "/data", copy=True)
        image.build(context=context, output=context / "out.tar", progress="quiet")
        with tarfile.open(context / "out.tar") as archive:
            return _content(archive, archive.getmember("data"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(build, range(8))) == [f"of {number}".encode() for number in range(8)]


@pytest.mark.parametrize("kind", ["docker", "classic"])
def test_the_docker_engine_builds_and_keeps_an_image(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, nonce: str
) -> None:
    docker: Tools = request.getfixturevalue(kind)
    (tmp_path / "data").write_text(nonce)
    tag = f"llb-test-{uuid.uuid4().hex[:8]}:1"
    image = Image.from_registry("busybox").run_commands(f"echo {nonce}").add_local_file("data", "/data")
    image.build(engine=f"docker://{docker.env['DOCKER_HOST']}", tags=tag, progress="quiet")
    try:
        assert docker.run("docker", "run", "--rm", tag, "cat", "/data").ok().stdout == nonce.encode()
    finally:
        docker.run("docker", "image", "rm", tag)
    assert image.logs.fetch() == f"{nonce}\n"


def test_what_the_classic_image_store_only_seems_to_do_is_refused(classic: Tools) -> None:
    engine = f"docker://{classic.env['DOCKER_HOST']}"
    image = Image.from_registry("busybox")
    with pytest.raises(UnsupportedError, match="cannot push an image"):
        image.build(engine=engine, tags="localhost/x:1", push=True, progress="quiet")
    with pytest.raises(UnsupportedError, match="cannot write an image archive"):
        image.build(engine=engine, output="oci:x.tar", progress="quiet")


def test_a_line_of_a_dockerfile_is_named_besides_the_users(tmp_path: Path, nonce: str) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM busybox\nRUN echo {nonce}\nRUN exit 4\n")
    with pytest.raises(ImageBuildError, match=r"RUN exit 4 \(Dockerfile:3\): exit code 4") as caught:
        Image.from_dockerfile("Dockerfile").build(progress="quiet")
    assert caught.value.location is not None
    assert Path(caught.value.location.filename).name == Path(__file__).name
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUNN x\n")
    with pytest.raises(ImageBuildError, match=r"unknown instruction: RUNN") as caught:
        Image.from_dockerfile("Dockerfile").build(progress="quiet")
    assert "Dockerfile:2" in str(caught.value)


def test_what_a_resolver_may_need_of_the_client_is_served(tmp_path: Path) -> None:
    """`.dockerignore` and the context of a Dockerfile: also without a build."""
    (tmp_path / "x").write_text("x")
    (tmp_path / ".dockerignore").write_text("y")
    image = Image.from_registry("busybox").dockerfile_commands("COPY x /x")
    with connect() as client, client.resolver(tmp_path) as resolver:
        definition = compile_to_llb(image, resolver=resolver)
        busybox = compile_to_llb(Image.from_registry("busybox"), resolver=resolver)
        assert resolver.exists(busybox, ["/bin/sh", "/bin/none", "/bin/sh/x"]) == (True, False, False)
    assert b"COPY x /x" in definition.image_config


class Cable:
    """A way to the engine that can be cut."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._folder = tempfile.TemporaryDirectory()
        self.address = f"unix://{self._folder.name}/s"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{self._folder.name}/s")
        self._listener.listen()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near = self._listener.accept()[0]
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._target)
            self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        self._listener.close()
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.cut()
        for end in self._ends:
            end.close()
        self._folder.cleanup()


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("moment", ["a step runs", "a file is sent", "the result comes"])
def test_a_lost_connection_is_one_clear_error_and_leaves_nothing(
    engine: Tools, tmp_path: Path, nonce: str, moment: str
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "data").write_bytes(os.urandom(30_000_000))
    image = Image.from_registry("busybox")
    if moment == "a step runs":
        image = image.run_commands(f"echo {nonce}; sleep 100")
    image = image.add_local_file("data", "/data")
    cable = Cable(engine.env["BUILDKIT_HOST"].removeprefix("unix://"))

    def listen(event: Event) -> None:
        if moment == "a step runs":
            cut = isinstance(event, LogEvent)
        elif moment == "a file is sent":
            cut = isinstance(event, StatusEvent) and "transferring" in event.name and event.current > 0
        else:
            cut = (
                isinstance(event, VertexEvent) and event.name.startswith("exporting") and bool(event.started)
            )
        if cut:
            cable.cut()

    try:
        with pytest.raises(ImageBuildError, match="connection to the engine was lost") as caught:
            image.build(
                engine=cable.address, context=context, output="out.tar", progress="quiet", on_event=listen
            )
    finally:
        cable.close()
    assert caught.value.hint
    assert os.listdir(tmp_path) == ["context"]


def test_without_the_cache_every_step_runs_again(engine: Tools, tmp_path: Path, nonce: str) -> None:
    image = Image.from_registry("busybox:latest").run_commands(
        f"echo {nonce}; cat /proc/sys/kernel/random/uuid > /now"
    )
    out = Image.from_scratch().copy_from(image, "/now", "/now")

    def now(name: str, *, no_cache: bool = False) -> str:
        folder = tmp_path / name
        host = engine.env["BUILDKIT_HOST"]
        out.build(engine=host, output=folder, no_cache=no_cache, progress="quiet")
        return (folder / "now").read_text()

    first = now("first")
    assert now("second") == first
    assert now("third", no_cache=True) != first


def test_a_secret_that_a_step_prints_is_hidden(
    engine: Tools, nonce: str, capfd: pytest.CaptureFixture[str]
) -> None:
    value = f"printed{uuid.uuid4().hex}"  # not the canary: the engine keeps what its steps print
    token = Secret.from_dict({"TOKEN": value})
    image = Image.from_registry("busybox").run_commands(f"echo {nonce} $TOKEN; exit 3", secrets=[token])
    with pytest.raises(ImageBuildError) as caught:
        image.build(engine=engine.env["BUILDKIT_HOST"], progress="plain")
    assert f"{nonce} ***" in caught.value.log
    seen = capfd.readouterr()
    assert f"{nonce} ***" in seen.err
    assert value not in seen.err + seen.out + str(caught.value) + image.logs.fetch()
