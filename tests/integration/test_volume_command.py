"""`llb volume`: what is in volumes, from outside of builds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llb import Image, Volume
from llb.client import connect
from llb.client.volumes import Volumes
from llb.errors import LocalFileError, NotFoundError
from tests.integration.tools import Tools


@pytest.fixture
def name(nonce: str) -> str:
    return nonce[-12:]


def test_files_go_in_and_out_and_builds_see_them(
    engine: Tools,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BUILDKIT_HOST", engine.env["BUILDKIT_HOST"])
    monkeypatch.setenv("LLB_DATA_DIR", str(tmp_path / "data"))
    given = tmp_path / "given"
    (given / "sub").mkdir(parents=True)
    (given / "sub/script").write_text("#!/bin/sh\n")
    (given / "sub/script").chmod(0o755)
    (given / "[odd] *").write_text("odd")
    (given / "link").symlink_to("sub/script")
    engine.llb("volume", "put", name, "given", "/all", cwd=tmp_path).ok()
    engine.llb("volume", "put", name, "given/[odd] *", "/one/", cwd=tmp_path).ok()
    engine.llb("volume", "put", name, "given/[odd] *", "/other/named", cwd=tmp_path).ok()
    listed = engine.llb("volume", "ls", name, "/all", cwd=tmp_path).ok().stdout.decode()
    assert [line.split(maxsplit=8)[-1] for line in listed.splitlines() if not line.startswith("total")] == [
        "[odd] *",
        "link -> sub/script",
        "sub",
    ]
    volumes = {"/v": Volume.from_name(name)}
    image = Image.from_registry("busybox:latest").run_commands(
        f": {name}; cd /v; find . -type f | sort; echo built >/v/result", volumes=volumes
    )
    image.build()
    assert "./all/[odd] *" in capfd.readouterr().err
    engine.llb("volume", "get", name, "/", "out", cwd=tmp_path).ok()
    assert (tmp_path / "out/result").read_text() == "built\n"
    assert (tmp_path / "out/one/[odd] *").read_text() == "odd"
    assert (tmp_path / "out/other/named").read_text() == "odd"
    assert (tmp_path / "out/all/sub/script").stat().st_mode & 0o777 == 0o755
    assert os.readlink(tmp_path / "out/all/link") == "sub/script"
    engine.llb("volume", "get", name, "/result", "single", cwd=tmp_path).ok()
    assert [one.name for one in (tmp_path / "single").iterdir()] == ["result"]


def test_volumes_are_listed_and_removed_whole_or_in_part(engine: Tools, name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    for file in ("a", "b"):
        engine.llb("volume", "put", name, file, f"/{file}", cwd=tmp_path).ok()
    assert f"{name}\t" in engine.llb("volume", "ls", cwd=tmp_path).ok().stdout.decode()
    engine.llb("volume", "rm", name, "/a", cwd=tmp_path).ok()
    listed = engine.llb("volume", "ls", name, cwd=tmp_path).ok().stdout.decode()
    assert [line.split()[-1] for line in listed.splitlines()[1:]] == ["b"]
    engine.llb("volume", "rm", name, cwd=tmp_path).ok()
    assert f"{name}\t" not in engine.llb("volume", "ls", cwd=tmp_path).ok().stdout.decode()
    assert "b" not in engine.llb("volume", "ls", name, cwd=tmp_path).ok().stdout.decode()


def test_what_is_not_there_is_told(engine: Tools, name: str, tmp_path: Path) -> None:
    for words in (["ls", name, "/x"], ["get", name, "/x"], ["rm", name, "/x"]):
        said = engine.llb("volume", *words, cwd=tmp_path).failed().stderr
        assert f"the volume llb-volume/{name} has no /x" in said
        assert "Traceback" not in said
    assert (
        "the engine has no volume llb-volume/none-such"
        in engine.llb("volume", "rm", "none-such", cwd=tmp_path).failed().stderr
    )
    assert "leave PATH out" in engine.llb("volume", "rm", name, "/", cwd=tmp_path).failed().stderr
    assert "name cannot be 'a b'" in engine.llb("volume", "ls", "a b", cwd=tmp_path).failed().stderr


def test_from_python(engine: Tools, name: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    volume = Volume.from_name(name, environment_name="dev").with_mount_options(sub_path="deep/er")
    with connect(engine.env["BUILDKIT_HOST"]) as client:
        volumes = Volumes(client)
        with pytest.raises(LocalFileError, match="there is no file"):
            volumes.put(volume, tmp_path / "none")
        volumes.put(volume, tmp_path / "x", "/")
        assert volumes.files(volume).split()[-1] == "x"
        assert volumes.files(Volume.from_name(name, environment_name="dev"), "deep/er").split()[-1] == "x"
        (record,) = [one for one in volumes.list() if one.id == volume.id]
        assert record.name == f"dev/{name}"
        assert record.size > 0
        with pytest.raises(NotFoundError):
            volumes.get(volume, "/none", tmp_path / "out")
        volumes.remove(volume)
        assert volume.id not in [one.id for one in volumes.list()]
