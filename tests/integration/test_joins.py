"""Images joined on real engines: what arrives of each, whose config it has, and what an edit builds anew."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.integration.tools import Tools

IMAGE = """
    from llb import Image

    start = (
        Image.from_registry("busybox:latest")
        .run_commands("echo {nonce} > /start; echo old > /both; mkdir -p /gone /etc; touch /gone/file", "echo root:x:0:0:::> /etc/passwd")
        .workdir("/start-dir")
    )
    first = (
        start.run_commands("echo app:x:9:9:::/bin/sh >> /etc/passwd; echo first > /both")
        .env({{"A": "first"}})
        .cmd(["first"])
    )
    second = start.run_commands("rm -r /gone; echo second > /second").env({{"B": "2"}}).cmd(["second"])
    third = start.run_commands("cp /both /third")
    alone = Image.from_scratch().add_local_file("a.txt", "/alone/a.txt", copy=True)
    tools = Image.from_registry("busybox:latest").run_commands("mkdir /out; echo tool > /out/x.sh; echo > /out/y")
    image = (
        Image.merge(first, second, third, alone)
        .copy_from(tools, "/out/*.sh", "/bin/")
        .copy_from(tools, "/out", "/outs")
        .expose(8080)
        .stop_signal("SIGINT")
        .healthcheck("test -e /both", interval=7)
        .run_commands("grep app: /etc/passwd && cat /both /second /third /alone/a.txt /bin/x.sh > /seen")
    )
"""


def contents(archive: bytes) -> dict[str, bytes | None]:
    """The files of a tree, and None for what is none."""
    found: dict[str, bytes | None] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened.getmembers():
            data = opened.extractfile(member) if member.isfile() else None
            found[member.name.rstrip("/")] = data.read() if data is not None else None
    return found


def check(found: dict[str, bytes | None], third: bytes = b"old\n") -> None:
    assert found["both"] == b"first\n", "what the first wrote stays: the others left this file alone"
    assert found["second"] == b"second\n"
    assert found["third"] == third
    assert "gone" not in found, "what one of them removed is gone"
    assert b"app:" in (found["etc/passwd"] or b"")
    assert found["seen"] == b"first\nsecond\n" + third + b"aliceatool\n"
    assert "bin/x.sh" in found
    assert "bin/y" not in found
    assert "outs/y" in found


def test_all_arrives_and_the_config_is_the_first_ones(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(IMAGE.format(nonce=nonce), **{"a.txt": "alicea"})
    reference = f"{frontend.registry}/test/joins:latest"
    frontend.gateway(context, f"--output=type=image,name={reference},push=true").ok()
    check(contents(frontend.gateway(context, "--output=type=tar,dest=-").ok().stdout))
    config = frontend.image_config(reference)
    assert config["config"]["Cmd"] == ["first"]
    assert config["config"]["WorkingDir"] == "/start-dir"
    assert [one for one in config["config"]["Env"] if not one.startswith("PATH=")] == ["A=first"]
    assert config["config"]["ExposedPorts"] == {"8080/tcp": {}}
    assert config["config"]["StopSignal"] == "SIGINT"
    assert config["config"]["Healthcheck"] == {
        "Test": ["CMD-SHELL", "test -e /both"],
        "Interval": 7_000_000_000,
    }
    layers = frontend.manifest(reference)["layers"]
    entries = [entry for entry in config["history"] if not entry.get("empty_layer")]
    assert len(entries) == len(layers) == len(config["rootfs"]["diff_ids"])
    ours = [entry["created_by"] for entry in entries if entry.get("comment") == "llb"]
    assert [text.split()[3] for text in ours if text.startswith("RUN")] == [
        "echo",
        "echo",
        "echo",
        "rm",
        "cp",
        "grep",
    ]

    (context / "image.py").write_text((context / "image.py").read_text().replace("/third", "/third # edited"))
    ran = frontend.gateway(context, progress="rawjson").ok()
    anew = [name.partition("] ")[2].partition(" ")[2].partition(" ")[0] for name in ran.not_cached()]
    assert {"cp", "grep"} <= set(anew)
    assert not {"rm", "echo", "mkdir"} & set(anew)


def test_the_same_tree_on_an_engine_that_cannot_merge(
    classic: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(IMAGE.format(nonce=nonce), **{"a.txt": "alicea"})
    classic.docker_build(context, "--tag=llb-joins").ok()
    container = classic.run("docker", "create", "llb-joins").ok().stdout.decode().strip()
    try:
        # Steps of the others run on top of the first there, so they see its files.
        check(contents(classic.run("docker", "export", container).ok().stdout), third=b"first\n")
    finally:
        classic.run("docker", "rm", "--force", container).ok()
    [about] = json.loads(classic.run("docker", "image", "inspect", "llb-joins").ok().stdout)
    assert about["Config"]["Cmd"] == ["first"]
    assert about["Config"]["Healthcheck"]["Interval"] == 7_000_000_000


def test_a_forced_step_reaches_its_descendants_and_them_only(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        f"""
        from llb import Image

        start = Image.from_registry("busybox:latest").run_commands("echo {nonce} > /x")
        calm = start.run_commands("echo calm > /calm")
        forced = start.run_commands("echo forced > /forced", force_build=True).workdir("/w")
        image = Image.merge(calm, forced).run_commands("echo after > /after")
        """
    )
    frontend.gateway(context).ok()
    ran = frontend.gateway(context, progress="rawjson").ok()
    anew = " ".join(ran.not_cached())
    for name in ("echo forced", "workdir /w", "echo after"):
        assert name in anew
    assert "echo calm" not in anew
    assert "echo test_a_forced" not in anew
