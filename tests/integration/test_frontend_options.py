"""The options of `docker build`, `buildx` and `buildctl`, honoured by our frontend."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.tools import Tools

BUSYBOX = "from llb import Image, build_arg\nbusybox = Image.from_registry('busybox:latest')\n"


def push(engine: Tools, context: Path, name: str, *arguments: str) -> str:
    reference = f"{engine.registry}/test/{name}:latest"
    engine.gateway(context, f"--output=type=image,name={reference},push=true", *arguments).ok()
    return reference


def test_target_picks_an_image(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(BUSYBOX + "image = busybox.cmd(['default'])\nother = busybox.cmd(['other'])\n")
    assert frontend.image_config(push(frontend, context, "target", "--opt=target=other"))["config"][
        "Cmd"
    ] == ["other"]
    assert frontend.image_config(push(frontend, context, "target"))["config"]["Cmd"] == ["default"]


def test_config_steps_end_in_the_image_config(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        BUSYBOX
        + "image = (busybox.env({'A': 'b', 'PATH': '/opt/bin:$PATH'}).workdir('/srv').user('1000:1000').entrypoint(['/bin/echo'])"
        ".cmd(['hi']).labels({'x': 'y'}).shell(['/bin/sh', '-ec']))\n"
    )
    config = frontend.image_config(push(frontend, context, "config", "--opt=label:from=outside"))["config"]
    assert "A=b" in config["Env"]
    assert any(entry.startswith("PATH=/opt/bin:") and "$PATH" not in entry for entry in config["Env"])
    assert config["WorkingDir"] == "/srv"
    assert config["User"] == "1000:1000"
    assert config["Entrypoint"] == ["/bin/echo"]
    assert config["Cmd"] == ["hi"]
    assert config["Labels"].items() >= {"x": "y", "from": "outside"}.items()
    assert config["Shell"] == ["/bin/sh", "-ec"]


def test_every_layer_has_its_line_in_the_history(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        BUSYBOX
        + f"image = busybox.run_commands('echo {nonce} > /a').env({{'A': 'b'}}).add_local_file('image.py', '/image.py')\n"
    )
    reference = push(frontend, context, "history")
    history = frontend.image_config(reference)["history"]
    layers = [entry for entry in history if not entry.get("empty_layer")]
    assert len(layers) == len(frontend.manifest(reference)["layers"])
    assert nonce in layers[-2]["created_by"]
    assert "image.py" in layers[-1]["created_by"]


def test_build_arguments_are_read_in_the_image_file(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(BUSYBOX + "image = busybox.env({'MODE': build_arg('MODE', 'dev')})\n")
    assert (
        "MODE=prod"
        in frontend.image_config(push(frontend, context, "args", "--opt=build-arg:MODE=prod"))["config"][
            "Env"
        ]
    )
    assert "MODE=dev" in frontend.image_config(push(frontend, context, "args"))["config"]["Env"]


def test_modules_beside_the_image_file_are_imported(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        "from mylib.recipes import base\nimport names\nimage = base.env({'NAME': names.NAME})\n",
        **{
            "mylib/__init__.py": "",
            "mylib/recipes.py": "from llb import Image\nfrom . import tags\nbase = Image.from_registry(tags.BUSYBOX)\n",
            "mylib/tags.py": "BUSYBOX = 'busybox:latest'\n",
            "names.py": "NAME = 'beside'\n",
            "not_needed.bin": "x" * 1_000_000,
        },
    )
    assert "NAME=beside" in frontend.image_config(push(frontend, context, "modules"))["config"]["Env"]


def test_no_cache_runs_every_step_again(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(BUSYBOX + "image = busybox.run_commands('date +%N > /a', 'date +%N > /b')\n")
    frontend.gateway(context).ok()
    assert frontend.gateway(context, progress="rawjson").ok().not_cached() == []
    assert len(frontend.gateway(context, "--opt=no-cache=", progress="rawjson").ok().not_cached()) == 2


def test_hosts_limits_and_shared_memory_reach_the_commands(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        BUSYBOX + f"image = busybox.run_commands('echo {nonce}; cat /etc/hosts; ulimit -n; df -k /dev/shm')\n"
    )
    ran = frontend.gateway(
        context,
        "--opt=add-hosts=example.test=10.1.2.3",
        "--opt=ulimit=nofile=123:456",
        "--opt=shm-size=2097152",
    ).ok()
    assert "10.1.2.3\texample.test" in ran.stderr or "10.1.2.3 example.test" in ran.stderr, ran.stderr
    assert " 123\n" in ran.stderr
    assert "2048" in ran.stderr


def test_a_named_context_replaces_a_base(frontend: Tools, project: Callable[..., Path]) -> None:
    context = project(
        "from llb import Image\nimage = Image.from_registry('mybase').run_commands('busybox true')\n"
    )
    frontend.gateway(context, "--opt=context:mybase=docker-image://docker.io/library/busybox:latest").ok()


def test_files_of_a_named_context(
    docker: Tools, builder: str, project: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("models")
    (elsewhere / "weights.txt").write_text("weights")
    context = project(
        BUSYBOX
        + f"image = busybox.add_local_dir({str(elsewhere)!r}, '/models', copy=True).run_commands('cat /models/weights.txt')\n"
    )
    refused = docker.docker_build(context, builder=builder).failed()
    assert "--build-context" in refused.stderr
    name = elsewhere.name
    docker.docker_build(context, f"--build-context={name}={elsewhere}", builder=builder).ok()


def test_a_plain_dockerfile_is_built_by_buildkits_own_frontend(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        Dockerfile=f"FROM busybox AS one\nARG WHO\nRUN echo {nonce} $WHO\nFROM one\nCOPY Dockerfile /\nLABEL a=b\n"
    )
    ran = frontend.gateway(context, "--opt=build-arg:WHO=me", file="Dockerfile").ok()
    assert f"{nonce} me" in ran.stderr


def test_two_platforms_make_one_index(frontend: Tools, project: Callable[..., Path]) -> None:
    """The second platform only copies files: its commands could not run here."""
    context = project(BUSYBOX + "image = busybox.env({'A': 'b'}).add_local_file('image.py', '/image.py')\n")
    reference = push(frontend, context, "platforms", "--opt=platform=linux/amd64,linux/arm64")
    found = {
        (entry["platform"]["os"], entry["platform"]["architecture"])
        for entry in frontend.index(reference)["manifests"]
        if entry["platform"]["architecture"] != "unknown"
    }
    assert found == {("linux", "amd64"), ("linux", "arm64")}
    for platform in ("linux/amd64", "linux/arm64"):
        config = frontend.image_config(reference, platform)
        assert config["architecture"] == platform.partition("/")[2]
        assert "A=b" in config["config"]["Env"]
        assert len(frontend.manifest(reference, platform)["layers"]) == 2


def test_call_lists_targets_and_arguments(docker: Tools, builder: str, project: Callable[..., Path]) -> None:
    context = project(
        BUSYBOX
        + "mode = build_arg('MODE', 'dev', description='how it runs')\nimage = busybox\ntest = busybox.env({'T': '1'})\n"
    )
    targets = json.loads(
        docker.docker_build(context, "--call=targets,format=json", builder=builder).ok().stdout
    )
    assert {target.get("name") for target in targets["targets"]} == {"busybox", "image", "test"}
    outline = json.loads(
        docker.docker_build(context, "--call=outline,format=json", builder=builder).ok().stdout
    )
    assert [(arg["name"], arg["value"]) for arg in outline["args"]] == [("MODE", "dev")]
    described = (
        docker.docker_build(context, "--call=subrequests.describe", builder=builder).ok().stdout.decode()
    )
    assert "outline" in described
    assert "targets" in described


def test_attestations_and_inline_cache(
    docker: Tools, builder: str, project: Callable[..., Path], nonce: str
) -> None:
    context = project(BUSYBOX + f"image = busybox.run_commands('echo {nonce}')\n")
    reference = f"{docker.registry}/test/attested:latest"
    docker.docker_build(
        context,
        "--provenance=mode=max",
        f"--output=type=image,name={reference},push=true",
        "--cache-to=type=inline",
        builder=builder,
    ).ok()
    kinds = [
        entry.get("annotations", {}).get("vnd.docker.reference.type")
        for entry in docker.index(reference)["manifests"]
    ]
    assert "attestation-manifest" in kinds


def test_source_date_epoch_makes_the_same_image_twice(
    frontend: Tools, project: Callable[..., Path], nonce: str
) -> None:
    context = project(
        BUSYBOX
        + f"image = busybox.run_commands('echo {nonce} > /a').add_local_file('image.py', '/image.py')\n"
    )
    found: set[str] = set()
    for name in ("epoch-1", "epoch-2"):
        reference = f"{frontend.registry}/test/{name}:latest"
        output = f"--output=type=image,name={reference},push=true,rewrite-timestamp=true"
        frontend.gateway(context, output, "--opt=build-arg:SOURCE_DATE_EPOCH=1700000000", "--no-cache").ok()
        found.add(json.dumps(frontend.manifest(reference), sort_keys=True))
    assert len(found) == 1


def test_a_module_of_the_same_size_and_time_is_read_again(
    frontend: Tools, tmp_path: Path, project: Callable[..., Path]
) -> None:
    """As archives and reproducible checkouts have them; the daemon's copy of another project must not be run."""
    for who in ("one", "two"):
        context = project(
            "import who\nfrom llb import FilePatternMatcher, Image\n"
            "image = (Image.from_registry('busybox:latest').env({'WHO': who.WHO})"
            ".add_local_dir('d', '/d', ignore=FilePatternMatcher.from_file('ignored')))\n",
            **{"who.py": f"WHO = '{who}'\n", "ignored": f"{who}\n", "d/one": "", "d/two": ""},
        )
        for name in ("who.py", "ignored", "image.py"):
            os.utime(context / name, (1_700_000_000, 1_700_000_000))
        reference = push(frontend, context, "stale")
        assert f"WHO={who}" in frontend.image_config(reference)["config"]["Env"]
        layer = frontend.layers(reference)[-1]
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
            kept = {name for name in archive.getnames() if name.startswith("d/")}
        assert kept == {"d/one", "d/two"} - {f"d/{who}"}


def test_a_dockerfile_in_an_archive_is_built_by_buildkits_own_frontend(
    docker: Tools, builder: str, nonce: str
) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in (("Dockerfile", f"FROM busybox\nCOPY x /\nRUN echo {nonce}\n"), ("x", "x")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    syntax = f"--build-arg=BUILDKIT_SYNTAX={docker.frontend}"
    command = ("docker", "buildx", "--builder", builder, "build", "--progress=plain", syntax, "-")
    assert nonce in docker.run(*command, stdin=archive.getvalue()).ok().stderr
