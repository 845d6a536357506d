"""The container's process against a fake daemon: what it asks, returns, and tells the user."""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Mapping
from typing import Any

import pytest

from frontend.environment import Environment
from frontend.process import Frontend
from llb import graph
from llb.gateway import RpcError, decode_detail, encode_status, source_detail
from llb.gateway.transport import PERMISSION_DENIED, UNKNOWN
from llb.graph import Definition
from llb.image import Bases
from llb.pb import gateway_pb2
from tests.unit.frontend.fake import CAPS, CONFIG, DIGEST, DIR, LINK, FakeDaemon, ops_of

PRELUDE = "from llb import Image, build_arg\nbase = Image.from_registry('debian:12')\n"
DEBIAN = "docker.io/library/debian:12"


def run(
    text: str | bytes = "",
    options: Mapping[str, str] | None = None,
    *,
    daemon: FakeDaemon | None = None,
    files: Mapping[str, bytes] | None = None,
    filename: str = "image.py",
    status: int = 0,
    **given: Any,
) -> FakeDaemon:
    """Builds an image file; the daemon knows debian:12 unless another one is given."""
    source = text if isinstance(text, bytes) else (PRELUDE + textwrap.dedent(text)).encode()
    if daemon is None:
        given.setdefault("images", {DEBIAN: CONFIG})
        given.setdefault("local", {})
        local = {"dockerfile": {filename: source, **(files or {})}, **given.pop("local")}
        daemon = FakeDaemon(local, **given)
    environment = Environment({"filename": filename, **(options or {})}, "session1", WORKERS)
    assert Frontend(daemon, environment).run() == status  # pyright: ignore[reportArgumentType]
    return daemon


WORKERS = '[{"id":"w","platforms":[{"architecture":"amd64","os":"linux"}]}]'


# -- a build


def test_a_build() -> None:
    daemon = run("image = base.run_commands('true').cmd(['x'])", {"label:a": "b"})
    (definition,) = daemon.solved
    source, execution, top = ops_of(definition)
    assert source.source.identifier == f"docker-image://{DEBIAN}@{DIGEST}"
    assert list(execution.exec.meta.args) == ["/bin/sh", "-c", "true"]
    assert [entry.digest for entry in top.inputs] != []
    config = daemon.metadata("containerimage.config")
    assert config["config"]["Cmd"] == ["x"]
    assert config["config"]["Labels"] == {"a": "b"}
    assert config["architecture"] == "amd64"
    assert daemon.result.metadata["containerimage.base.config"] == CONFIG
    assert daemon.metadata("refs.platforms") == {
        "Platforms": [{"ID": "linux/amd64", "Platform": {"architecture": "amd64", "os": "linux"}}]
    }
    assert daemon.result.ref.id
    assert list(definition.Source.locations)
    assert definition.Source.infos[0].filename == "image.py"
    assert definition.Source.infos[0].data.startswith(b"from llb")


def test_few_questions_are_asked() -> None:
    daemon = run("image = base.run_commands('true')")
    assert [name for name, _ in daemon.calls] == [
        "Ping",
        "Inputs",
        "Solve",  # the image file
        "ReadFile",
        "ResolveImageConfig",
        "Solve",
        "Return",
    ]


def test_what_was_resolved_comes_back_as_a_bases_file() -> None:
    daemon = run("image = base")
    known = Bases.from_json(daemon.result.metadata["frontend.llb.bases"])
    base = known.base(DEBIAN, graph.LINUX_AMD64)
    assert base is not None
    assert base.digest == DIGEST
    assert json.loads(base.config) == json.loads(CONFIG)


def test_the_file_is_loaded_by_the_vertex_of_the_dockerfile_frontend() -> None:
    daemon = run("image = base", {"local-sessionid:dockerfile": "other"})
    assert daemon.transfers == [
        {
            "name": "dockerfile",
            "local.session": "other",
            "local.followpaths": '["image.py","image.py.dockerignore"]',
            "local.sharedkeyhint": "dockerfile",
            "local.differ": "none",
        }
    ]
    definition = daemon.asked("Solve")[0].Definition
    assert daemon.vertex_names(definition)[0] == "[internal] load build definition from image.py"


def test_several_platforms() -> None:
    images = {DEBIAN: CONFIG}
    daemon = run("image = base.run_commands('true')", {"platform": "linux/amd64,linux/arm64"}, images=images)
    assert sorted(daemon.result.refs.refs) == ["linux/amd64", "linux/arm64"]
    assert [entry["ID"] for entry in daemon.metadata("refs.platforms")["Platforms"]] == [
        "linux/amd64",
        "linux/arm64",
    ]
    assert daemon.metadata("containerimage.config/linux/arm64")["architecture"] == "arm64"
    assert daemon.result.metadata["containerimage.base.config/linux/amd64"] == CONFIG
    names = [name for name, _ in daemon.calls]
    assert names.index("Solve", 5) > max(i for i, name in enumerate(names) if name == "ResolveImageConfig")
    assert [request.LogName for request in daemon.asked("ResolveImageConfig")] == [
        f"[linux/amd64 internal] load metadata for {DEBIAN}",
        f"[linux/arm64 internal] load metadata for {DEBIAN}",
    ]
    assert any("[linux/arm64 " in name for name in daemon.vertex_names(daemon.solved[1]))


def test_one_platform_as_an_index() -> None:
    daemon = run("image = base", {"multi-platform": "true", "platform": "linux/arm64"})
    assert list(daemon.result.refs.refs) == ["linux/arm64"]
    again = run("image = base", {"build-arg:BUILDKIT_MULTI_PLATFORM": "1"})
    assert list(again.result.refs.refs) == ["linux/amd64"]


def test_an_empty_image() -> None:
    daemon = run("image = Image.from_scratch()")
    assert daemon.metadata("containerimage.config")["os"] == "linux"


def test_the_epoch_is_in_the_result() -> None:
    daemon = run("image = base", {"build-arg:SOURCE_DATE_EPOCH": "1700000000"})
    assert daemon.result.metadata["source.date.epoch"] == b"1700000000"


def test_cache_imports_go_with_the_solve() -> None:
    given = '[{"Type":"registry","Attrs":{"ref":"r/x","b":"c"}},{"Type":"gha","Attrs":null}]'
    daemon = run("image = base", {"cache-imports": given, "cache-from": "old/one"})
    imports = daemon.asked("Solve")[1].CacheImports
    assert [(entry.Type, dict(entry.Attrs)) for entry in imports] == [
        ("registry", {"ref": "r/x", "b": "c"}),
        ("gha", {}),
        ("registry", {"ref": "old/one"}),
    ]


def test_the_resolve_mode_goes_with_the_question() -> None:
    daemon = run("image = base", {"image-resolve-mode": "pull"})
    assert daemon.asked("ResolveImageConfig")[0].ResolveMode == "pull"
    assert ops_of(daemon.solved[0])[0].source.attrs["image.resolvemode"] == "pull"


@pytest.mark.parametrize(
    ("given", "ignored"), [("", True), ("image", True), ("other", False), ("a,IMAGE", True)]
)
def test_no_cache(given: str, ignored: bool) -> None:
    daemon = run("image = base.run_commands('true')", {"no-cache": given})
    flags = [entry.ignore_cache for entry in daemon.solved[0].metadata.values()]
    assert any(flags) is ignored


@pytest.mark.parametrize(
    "name", ["LLB_FORCE_BUILD", "LLB_IGNORE_CACHE", "MODAL_FORCE_BUILD", "MODAL_IGNORE_CACHE"]
)
def test_no_cache_by_a_build_argument(name: str) -> None:
    for value, ignored in (("1", True), ("0", False)):
        daemon = run("image = base.run_commands('true')", {f"build-arg:{name}": value})
        assert any(entry.ignore_cache for entry in daemon.solved[0].metadata.values()) is ignored


def test_hosts_limits_network_and_so_on() -> None:
    options = {
        "add-hosts": '"A=10.0.0.1",b=::1',
        "ulimit": "nofile=10:20,core=-1",
        "shm-size": "1048576",
        "cgroup-parent": "parent",
        "force-network-mode": "host",
        "hostname": "me",
    }
    execution = ops_of(run("image = base.run_commands('true')", options).solved[0])[1].exec
    assert [(host.Host, host.IP) for host in execution.meta.extraHosts] == [("a", "10.0.0.1"), ("b", "::1")]
    assert [(one.Name, one.Soft, one.Hard) for one in execution.meta.ulimit] == [
        ("nofile", 10, 20),
        ("core", -1, -1),
    ]
    assert execution.meta.cgroupParent == "parent"
    assert execution.meta.hostname == "me"
    assert execution.network == 1
    assert [mount.TmpfsOpt.size for mount in execution.mounts if mount.dest == "/dev/shm"] == [1048576]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("platform", "nonsense", "platform=nonsense"),
        ("add-hosts", "a", "HOST=ADDRESS"),
        ("add-hosts", "a=b", "IP address"),
        ("ulimit", "nofile=x", "ulimit=nofile=x has a wrong value"),
        ("ulimit", "nofile=3:2", "above the hard one"),
        ("shm-size", "1g", "shm-size=1g"),
        ("force-network-mode", "other", "one of sandbox, host, none"),
        ("image-resolve-mode", "never", "one of default, pull, local"),
        ("cache-imports", "{", "cache-imports={ has a wrong value"),
        ("multi-platform", "maybe", "true or false"),
        ("build-arg:SOURCE_DATE_EPOCH", "context", "SOURCE_DATE_EPOCH"),
        ("build-arg:LLB_IMAGE_FILE_TIMEOUT", "-1", "number of seconds"),
    ],
)
def test_options_with_wrong_values(option: str, value: str, says: str) -> None:
    daemon = run("image = base", {option: value})
    assert says in daemon.error
    assert daemon.sources == []


def test_several_platforms_but_no_index() -> None:
    daemon = run("image = base", {"platform": "linux/amd64,linux/arm64", "multi-platform": "false"})
    assert "multi-platform=false" in daemon.error


# -- the image file


def test_without_a_name_it_is_image_py() -> None:
    daemon = FakeDaemon(
        {"dockerfile": {"image.py": PRELUDE.encode(), "Dockerfile": b"FROM x"}}, {DEBIAN: CONFIG}
    )
    assert Frontend(daemon, Environment({})).run() == 0  # pyright: ignore[reportArgumentType]
    assert daemon.result.ref.id


def test_a_file_that_is_not_there() -> None:
    daemon = run("image = base", {"filename": "other.py"})
    assert daemon.error.startswith("there is no file other.py in the build's context")
    daemon = FakeDaemon({"dockerfile": {}})
    Frontend(daemon, Environment({})).run()  # pyright: ignore[reportArgumentType]
    assert "there is no file image.py" in daemon.error


def test_a_client_that_serves_nothing() -> None:
    daemon = run(daemon=FakeDaemon({}))
    assert "no access allowed to dir 'dockerfile'" in daemon.error


def test_the_file_from_an_input() -> None:
    state = graph.scratch().file(graph.mkfile("/image.py", data=b"x"))
    inputs = {"dockerfile": graph.marshal(state).to_bytes()}
    daemon = run("image = base", inputs=inputs, local={"dockerfile": {}})
    assert (
        "there is no file image.py" in daemon.error
    )  # the fake does not run the input, but it was asked for
    assert daemon.solved[0] == daemon.asked("Solve")[1].Definition


def test_a_remote_context() -> None:
    daemon = run("image = base", {"context": "https://github.com/x/y.git"})
    assert "cannot be the build context of an image file" in daemon.error


def test_a_context_that_is_an_input() -> None:
    inputs = {"context": graph.marshal(graph.image("docker.io/library/x:1")).to_bytes()}
    assert run("image = base", inputs=inputs).result.ref.id
    daemon = run("image = base.add_local_file('a', '/a')", inputs=inputs)
    assert "the result of another build" in daemon.error


def test_the_target() -> None:
    daemon = run("image = base\nother = base.cmd(['other'])", {"target": "other"})
    assert daemon.metadata("containerimage.config")["config"]["Cmd"] == ["other"]


def test_an_unknown_target_is_told_with_the_line_of_the_likely_one() -> None:
    daemon = run("serving = base", {"target": "servin"})
    assert (
        daemon.error == "image.py has no target 'servin'\nDid you mean 'serving'? Its targets: base, serving."
    )
    assert [(name, line) for name, line, _ in daemon.sources] == [("image.py", 2)]


def test_modules_beside_the_file() -> None:
    files = {
        "mylib.py": b"from pack.sub import VALUE\nNAME = VALUE",
        "pack/__init__.py": b"",
        "pack/sub.py": b"from . import other\nVALUE = other.X",
        "pack/other.py": b"X = 'found'",
        "unrelated.py": b"raise AssertionError",
        "data.bin": b"x",
    }
    daemon = run("import mylib\nimage = base.env({'N': mylib.NAME})", files=files)
    assert "N=found" in daemon.metadata("containerimage.config")["config"]["Env"]
    patterns = [json.loads(transfer["local.includepattern"]) for transfer in daemon.transfers[1:]]
    assert patterns == [["mylib.py", "mylib/**/*.py"], ["pack.py", "pack/**/*.py"]]


def test_modules_beside_a_file_in_a_directory() -> None:
    daemon = run(
        "from mylib import NAME\nimage = base.env({'N': NAME})",
        filename="docker/image.py",
        files={"docker/mylib.py": b"NAME = 'found'", "mylib.py": b"raise AssertionError"},
    )
    assert "N=found" in daemon.metadata("containerimage.config")["config"]["Env"]


def test_nothing_more_is_transferred_without_need() -> None:
    daemon = run("import json, os\nimage = base")
    assert len(daemon.transfers) == 1


def test_what_it_prints_is_shown() -> None:
    daemon = run("print('the answer')\nprint()\nprint('is 42')\nimage = base")
    names = [name for definition in daemon.solved for name in daemon.vertex_names(definition)]
    assert [name for name in names if name.startswith("image.py")] == [
        "image.py: the answer",
        "image.py: is 42",
    ]


def test_what_it_prints_is_shown_when_it_fails() -> None:
    daemon = run("print('working')\nraise ValueError('boom')")
    assert "boom" in daemon.error
    assert "image.py: working" in daemon.vertex_names(daemon.solved[0])


def test_it_cannot_print_without_end() -> None:
    daemon = run("for i in range(100000):\n    print('line', i, 'x' * 1000)\nimage = base")
    names = daemon.vertex_names(daemon.solved[1])
    assert len(names) <= 33
    assert names[-2].endswith("lines more")
    assert max(map(len, names)) < 450


def test_unused_build_arguments_are_told() -> None:
    options = {
        "build-arg:A": "1",
        "build-arg:B": "2",
        "build-arg:http_proxy": "x",
        "build-arg:BUILDKIT_X": "y",
    }
    daemon = run("build_arg('A')\nimage = base", options)
    names = [name for definition in daemon.solved for name in daemon.vertex_names(definition)]
    assert [name for name in names if "build argument" in name] == [
        "image.py does not use the build arguments B: llb.build_arg(NAME) reads one"
    ]


# -- errors


def test_an_error_shows_the_files_and_lines() -> None:
    daemon = run("import mylib\n\nmylib.f()", files={"mylib.py": b"def f():\n    return 1 / 0\n"})
    assert daemon.error == "ZeroDivisionError: division by zero\n  at image.py:5\n  at mylib.py:2"
    assert [(name, line) for name, line, _ in daemon.sources] == [("mylib.py", 2), ("image.py", 5)]
    assert daemon.sources[0][2] == b"def f():\n    return 1 / 0\n"


def test_a_wrong_call_shows_the_step_and_the_way_out() -> None:
    daemon = run("\nimage = Image.debian_slim(3.12)")
    assert daemon.error.startswith("debian_slim: ")
    assert [(name, line) for name, line, _ in daemon.sources] == [("image.py", 4)]


def test_a_base_that_is_not_there() -> None:
    daemon = run("image = Image.from_registry('nosuch/thing:1')")
    assert daemon.error == "from_registry: nosuch/thing:1 was not found\nAre name and tag right?"
    assert [(name, line) for name, line, _ in daemon.sources] == [("image.py", 3)]


def test_a_registry_that_says_no() -> None:
    refused = RpcError(PERMISSION_DENIED, "pull access denied, insufficient_scope")
    daemon = run("image = base", images={DEBIAN: refused})
    assert "debian:12 cannot be had: pull access denied" in daemon.error
    assert daemon.error.endswith("docker login.")
    private = run("image = Image.from_registry('r.test:5000/x')", images={"r.test:5000/x:latest": refused})
    assert private.error.endswith("docker login r.test:5000.")
    other = run("image = base", images={DEBIAN: RpcError(UNKNOWN, "connection refused")})
    assert "connection refused" in other.error


def test_a_base_without_the_platform() -> None:
    refused = RpcError(5, "no match for platform in manifest: not found")
    daemon = run("image = base", {"platform": "linux/s390x"}, images={DEBIAN: refused})
    assert "debian:12 has no image for linux/s390x" in daemon.error


def test_the_daemons_own_errors_are_passed_on_untouched() -> None:
    status = encode_status(
        9, "its own words", [source_detail("elsewhere", b"data", [(1, 2)]), b"\n\x07unknown"]
    )

    class Refusing(FakeDaemon):
        def on_Solve(self, request: gateway_pb2.SolveRequest) -> Any:
            if len(self.asked("Solve")) > 1:
                raise RpcError(9, "its own words", status)
            return super().on_Solve(request)

    daemon = run(daemon=Refusing({"dockerfile": {"image.py": PRELUDE.encode()}}, {DEBIAN: CONFIG}))
    assert daemon.returned is not None
    assert daemon.returned.error.SerializeToString() == status


def test_a_daemon_that_is_too_old() -> None:
    daemon = run("image = base.run_commands('true')", caps=CAPS - {"exec.meta.base"})
    assert daemon.error.startswith("this BuildKit cannot do exec.meta.base")
    assert [(name, line) for name, line, _ in daemon.sources] == [("image.py", 3)]


def test_a_daemon_that_drops_excerpts_gets_the_line_in_the_message() -> None:
    daemon = run("raise ValueError('boom')", caps=CAPS - {"exec.secretenv"})
    assert daemon.error == "image.py:3: ValueError: boom"


def test_what_a_capability_needs() -> None:
    from frontend.report import needs

    assert needs("mergeop") == ": it needs BuildKit 0.10 (Docker Engine 23.0)"
    assert needs("source.local.metadatatransfer") == ": it needs BuildKit 0.21 (Docker Engine 28.1)"
    assert needs("passthroughop") == ": it needs BuildKit 0.31"
    assert needs("exec.meta.base") == ""


def test_an_error_of_ours_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> float:
        return 1 / 0

    monkeypatch.setattr("frontend.build.compile_to_llb", broken)
    daemon = run("image = base")
    first, _, _ = daemon.error.partition("\n")
    assert first == "internal error in the llb frontend: ZeroDivisionError: division by zero; please report"
    assert "Traceback" not in daemon.error
    assert "Traceback" in capfd.readouterr().err


def test_a_connection_that_is_lost(capfd: pytest.CaptureFixture[str]) -> None:
    daemon = FakeDaemon()
    daemon.lost = True
    run(daemon=daemon, status=1)
    assert capfd.readouterr().err == "llb frontend: gone\n"


def test_the_childs_of_user_code_leave_the_connection_alone() -> None:
    daemon = run("import os\nimage = base\nif os.fork() == 0:\n    raise SystemExit\nos.wait()")
    assert daemon.result.ref.id


# -- local files and named contexts

CONTEXT = {
    "app.py": b"print(1)",
    "src": (DIR, ""),
    "src/main.py": b"",
    "src/deep": (DIR, ""),
    "src/deep/x.txt": b"",
    "ln": (LINK, "src"),
}


def test_local_files_are_looked_up_at_once() -> None:
    daemon = run(
        "image = base.add_local_file('app.py', '/app.py').add_local_dir('src', '/src').add_local_dir('ln', '/ln')",
        local={"context": CONTEXT},
    )
    (_, looked_up) = daemon.transfers
    assert looked_up["local.metadatatransfer"] == "true"
    assert looked_up["local.session"] == "session1"
    assert json.loads(looked_up["local.followpaths"]) == ["app.py", "ln", "src"]
    assert json.loads(looked_up["local.excludepatterns"]) == ["app.py/*", "ln/*", "src/*"]
    identifiers = [op.source.identifier for op in ops_of(daemon.solved[0])]
    assert "local://context" in identifiers


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("add_local_file('nowhere.txt', '/x')", "local file nowhere.txt does not exist"),
        ("add_local_dir('nowhere', '/x')", "local dir nowhere does not exist"),
        ("add_local_dir('app.py', '/x')", "app.py is not a directory"),
        ("add_local_file('src', '/x')", "src is a directory"),
    ],
)
def test_local_files_that_are_wrong(call: str, says: str) -> None:
    daemon = run(f"image = base.{call}", local={"context": CONTEXT})
    assert says in daemon.error
    assert [(name, line) for name, line, _ in daemon.sources] == [("image.py", 3)]


def test_a_daemon_that_cannot_list_is_not_asked() -> None:
    caps = CAPS - {"source.local.metadatatransfer"}
    daemon = run("image = base.add_local_file('nowhere', '/x')", local={"context": CONTEXT}, caps=caps)
    assert len(daemon.transfers) == 1
    assert daemon.result.ref.id


def test_a_function_that_ignores_gets_every_path() -> None:
    daemon = run(
        """
        seen = []
        def ignore(path):
            seen.append(str(path))
            return path.suffix == '.txt'
        image = base.add_local_dir('src', '/src', ignore=ignore)
        """,
        local={"context": CONTEXT},
    )
    sources = [op.source for op in ops_of(daemon.solved[0]) if op.source.identifier == "local://context"]
    assert json.loads(sources[0].attrs["local.excludepatterns"]) == ["src/deep"]


def test_a_named_context_that_is_an_image() -> None:
    images = {"docker.io/library/other:1": CONFIG}
    daemon = run("image = base", {"context:debian:12": "docker-image://other:1"}, images=images)
    assert ops_of(daemon.solved[0])[0].source.identifier.startswith(
        "docker-image://docker.io/library/other:1"
    )


def test_a_named_context_that_is_an_input() -> None:
    inputs = {"theirs": graph.marshal(graph.image("docker.io/library/x:1").run(["y"]).root).to_bytes()}
    metadata = json.dumps({"containerimage.config": base64.b64encode(CONFIG).decode()})
    options = {"context:debian:12": "input:theirs", "input-metadata:theirs": metadata}
    daemon = run("image = base.run_commands('z')", options, inputs=inputs)
    commands = [list(op.exec.meta.args) for op in ops_of(daemon.solved[0]) if op.HasField("exec")]
    assert commands == [["y"], ["/bin/sh", "-c", "z"]]
    assert daemon.metadata("containerimage.config")["config"]["Cmd"] == ["sh"]
    missing = run("image = base", {"context:debian:12": "input:nothing"})
    assert "which the client did not send" in missing.error


def test_a_named_context_that_is_an_oci_layout() -> None:
    reference = f"docker.io/library/debian@{DIGEST}"
    options = {"context:debian:12": f"oci-layout://store1:tag@{DIGEST}"}
    daemon = run("image = base", options, images={reference: CONFIG})
    asked = daemon.asked("ResolveImageConfig")[0]
    assert (asked.ResolverType, asked.SessionID, asked.StoreID) == (1, "session1", "store1")
    source = ops_of(daemon.solved[0])[0].source
    assert source.identifier == f"oci-layout://{reference}"
    assert dict(source.attrs) == {"oci.session": "session1", "oci.store": "store1"}


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("image = Image.from_registry('a:1')", "a:1"),
        ('a = Image.from_registry("a:1")\nb = Image.from_registry("a:1", force_build=True)', "a:1"),
        ("a = Image.from_registry('a:1')\nb = Image.from_registry('b:1')", ""),
        ("a = Image.from_registry('a:1')\nb = Image.debian_slim('3.12')", ""),
        ("# a = Image.from_registry('b')\na = Image.from_registry('a')", "a"),
        ("a = Image.from_registry(name)", ""),
        ("a = Image.from_registry(f'a:{x}')", ""),
        ("a = Image.from_registry(\n  'a:1')", ""),
        ("a = Image.from_registry('a\\x41')", ""),
        ("from_registry = 1", ""),
        ("", ""),
    ],
)
def test_the_base_that_is_clear_from_the_text(text: str, base: str) -> None:
    from frontend.bases import only_base

    assert only_base(text.encode()) == base


def test_a_wrong_guess_does_no_harm() -> None:
    daemon = run(b"from llb import Image\n'Image.from_registry(\"nosuch\")'\nimage = Image.from_scratch()")
    assert [request.Ref for request in daemon.asked("ResolveImageConfig")] == [
        "docker.io/library/nosuch:latest"
    ]
    assert daemon.result.ref.id
    other = run(b"from llb import Image\n'Image.from_registry(\"!?\")'\nimage = Image.from_scratch()")
    assert other.asked("ResolveImageConfig") == []


# -- Dockerfiles


def forwarded(data: bytes, options: Mapping[str, str] | None = None, **given: Any) -> FakeDaemon:
    def answer(_: gateway_pb2.SolveRequest) -> gateway_pb2.Result:
        result = gateway_pb2.Result(metadata={"containerimage.config/linux/386": b"{}", "k": b"v"})
        result.refs.refs["linux/386"].id = "theirs"
        result.attestations["linux/386"].attestation.add(path="sbom")
        return result

    given.setdefault("frontends", {"dockerfile.v0": answer})
    return run(data, options, filename="Dockerfile", **given)


def test_a_dockerfile_is_handed_on_with_everything() -> None:
    inputs = {"context": graph.marshal(graph.image("docker.io/library/x:1")).to_bytes()}
    options = {"source": "our/image", "build-arg:A": "b", "platform": "linux/386", "frontend.caps": "x"}
    daemon = forwarded(b"FROM debian\nRUN true\n", options, inputs=inputs)
    request = daemon.asked("Solve")[-1]
    assert request.Frontend == "dockerfile.v0"
    assert dict(request.FrontendOpt) == {
        "filename": "Dockerfile",
        "build-arg:A": "b",
        "platform": "linux/386",
        "frontend.caps": "x",
        "cmdline": "dockerfile.v0",
    }
    assert request.FrontendInputs["context"].SerializeToString(deterministic=True)
    assert daemon.result.refs.refs["linux/386"].id == "theirs"
    assert daemon.result.attestations["linux/386"].attestation[0].path == "sbom"
    assert daemon.result.metadata["k"] == b"v"


def test_a_dockerfiles_error_is_passed_on() -> None:
    status = encode_status(
        UNKNOWN, "dockerfile parse error", [source_detail("Dockerfile", b"FROM", [(1, 1)])]
    )

    def refuse(_: gateway_pb2.SolveRequest) -> gateway_pb2.Result:
        raise RpcError(UNKNOWN, "dockerfile parse error", status)

    daemon = forwarded(b"FROM", frontends={"dockerfile.v0": refuse})
    assert daemon.error == "dockerfile parse error"
    assert daemon.sources == [("Dockerfile", 1, b"FROM")]


def made(request: gateway_pb2.SolveRequest) -> gateway_pb2.Result:
    """What the Dockerfile frontend gives: a command on its base."""
    base = Definition.from_bytes(request.FrontendInputs["llb-base"].SerializeToString())
    definition = graph.marshal(base.state().run(["made"]).root)
    result = gateway_pb2.Result()
    suffix = ""
    if "multi-platform" in request.FrontendOpt:
        suffix = f"/{request.FrontendOpt['platform']}"
        getattr(result.refs.refs[suffix[1:]], "def").ParseFromString(definition.to_bytes())
    else:
        getattr(result.ref, "def").ParseFromString(definition.to_bytes())
    result.metadata[f"containerimage.config{suffix}"] = b'{"os":"linux","architecture":"amd64","config":{}}'
    return result


LINES = (
    PRELUDE
    + """
image = Image.from_registry("debian:12").dockerfile_commands("ARG MINE", "RUN made").run_commands("after")
"""
)


def test_lines_are_asked_about_once_for_each_platform_with_the_options_of_the_build() -> None:
    options = {
        "platform": "linux/amd64,linux/arm64",
        "add-hosts": "a=1.2.3.4",
        "build-arg:MINE": "1",
        "build-arg:OTHER": "2",
        "source": "our/image",
        "cmdline": "our/image",
        "something.new": "1",
    }
    daemon = run(LINES.encode(), options, frontends={"dockerfile.v0": made})
    asked = [dict(one.FrontendOpt) for one in daemon.asked("Solve") if one.Frontend]
    assert [one["platform"] for one in asked] == ["linux/amd64", "linux/arm64"]
    for one in asked:
        assert (one["cmdline"], one["something.new"], one["add-hosts"]) == ("dockerfile.v0", "1", "a=1.2.3.4")
        assert one["build-arg:MINE"] == "1"
        assert not {"source", "build-arg:OTHER"} & set(one)
    shown = " ".join([name for one in daemon.solved for name in daemon.vertex_names(one)])
    assert "does not use the build arguments OTHER:" in shown
    commands = [op.exec.meta.args[-1] for op in ops_of(daemon.solved[0]) if op.HasField("exec")]
    assert commands == ["made", "after"]


def test_a_refused_line_is_quoted_from_the_dockerfile_and_from_the_image_file() -> None:
    lines = b"FROM base\nARG MINE\nRUN made\n"
    status = encode_status(UNKNOWN, "no", [source_detail("dockerfile_commands", lines, [(3, 3)])])

    def refuse(_: gateway_pb2.SolveRequest) -> gateway_pb2.Result:
        raise RpcError(UNKNOWN, "no", status)

    daemon = run(LINES.encode(), frontends={"dockerfile.v0": refuse})
    assert daemon.error == "no"
    line = LINES.splitlines().index(next(one for one in LINES.splitlines() if "RUN made" in one)) + 1
    assert daemon.sources == [("dockerfile_commands", 3, lines), ("image.py", line, LINES.encode())]


@pytest.mark.parametrize(
    ("filename", "data", "dockerfile"),
    [
        ("image.py", b"FROM x", False),
        ("Dockerfile", b"FROM x", True),
        ("Dockerfile", b"FROM llb/base\nRUN x\n", True),
        ("Dockerfile", b"# syntax=x/llb\nfrom llb import Image\nimage = Image.from_scratch()\n", False),
        ("Dockerfile", b"import os\n", True),
        ("build/thing.py", b"\0", False),
        ("Imagefile", b"llb \0", True),
    ],
)
def test_what_is_a_dockerfile(filename: str, data: bytes, dockerfile: bool) -> None:
    from frontend.dockerfile import is_dockerfile

    assert is_dockerfile(filename, data) is dockerfile


# -- questions instead of builds


def test_describe() -> None:
    daemon = run("image = base", {"requestid": "frontend.subrequests.describe"})
    assert [one["name"] for one in daemon.metadata("result.json")] == [
        "frontend.outline",
        "frontend.targets",
        "frontend.subrequests.describe",
    ]
    assert daemon.result.metadata["result.txt"].decode().splitlines()[0].split() == [
        "NAME",
        "VERSION",
        "DESCRIPTION",
    ]
    assert daemon.result.metadata["version"] == b"1.0.0"
    assert not daemon.result.ref.id


def test_targets() -> None:
    daemon = run(
        "# what runs\n# in production\nimage = base\n\ntest = base", {"requestid": "frontend.targets"}
    )
    document = daemon.metadata("result.json")
    assert [(one["name"], one.get("default"), one.get("description")) for one in document["targets"]] == [
        ("base", None, None),
        ("image", True, "what runs in production"),
        ("test", None, None),
    ]
    assert document["targets"][0]["location"]["ranges"][0]["start"] == {"line": 2}
    assert base64.b64decode(document["sources"][0]).startswith(b"from llb")
    assert daemon.result.metadata["result.txt"].decode() == (
        "TARGET          DESCRIPTION\nbase            \nimage (default) what runs in production\ntest            \n"
    )


def test_outline() -> None:
    daemon = run(
        "version = build_arg('VERSION', '1', 'of it')\nimage = base\n",
        {"requestid": "frontend.outline", "build-arg:VERSION": "2"},
    )
    document = daemon.metadata("result.json")
    assert document["name"] == "image"
    (argument,) = document["args"]
    assert (argument["name"], argument["value"], argument["description"]) == ("VERSION", "2", "of it")
    assert daemon.result.metadata["result.txt"].decode() == (
        "TARGET: image\n\nBUILD ARG   VALUE   DESCRIPTION\nVERSION     2       of it\n\n"
    )


def test_other_questions_are_refused_in_the_way_that_clients_know() -> None:
    daemon = run("image = base", {"requestid": "frontend.lint"})
    assert daemon.returned is not None
    detail = daemon.returned.error.details[0].SerializeToString()
    assert decode_detail(detail) == ("errdefs.Subrequest", {"name": "frontend.lint"})


# -- parts


def test_local_definitions_are_those_of_the_graph() -> None:
    from frontend.loading import local_definition

    for options in (
        {"follow": ["a", "b"], "session": "s", "hint": "h", "differ": "none"},
        {"include": ["<x>", 'é"', "&"], "exclude": ["*"], "metadata_only": True},
        {},
    ):
        made, digest = local_definition("name", **options, name="its name")  # pyright: ignore[reportArgumentType]
        asked: dict[str, Any] = {**options, "shared_key_hint": options.get("hint", "")}
        asked.pop("hint", None)
        expected = graph.marshal(graph.local("name", **asked, meta=graph.Meta(name="its name")))
        assert graph.Definition.from_bytes(made).ops == expected.ops
        assert digest == expected.head
        assert {
            key: value.capabilities for key, value in graph.Definition.from_bytes(made).metadata.items()
        } == {key: value.capabilities for key, value in expected.metadata.items()}


def test_paths_inside_of_others_are_listed_too() -> None:
    from frontend.resolver import all_but

    assert all_but(["a", "b c"]) == ["a/*", "b c/*"]
    assert all_but(["dir", "dir-x", "dir/a/b"]) == ["dir/*", "dir-x/*", "!dir/a/b", "dir/a/b/*"]
    assert all_but([".", "a"]) == ["*", "!a", "a/*"]
    assert all_but(["."]) == ["*"]


def test_links_in_listings() -> None:
    from llb.errors import LocalFileError
    from llb.gateway import Stat
    from llb.image.resolver import resolve_links

    entries = {
        entry.path: entry
        for entry in (
            Stat("a", LINK, linkname="b/c"),
            Stat("b", DIR),
            Stat("b/c", LINK, linkname="../d"),
            Stat("d", DIR),
            Stat("loop", LINK, linkname="loop"),
            Stat("out", LINK, linkname="../../../d"),
            Stat("root", LINK, linkname="/d"),
            Stat("here", LINK, linkname="."),
        )
    }

    def link(path: str) -> str | None:
        entry = entries.get(path)
        return entry.linkname if entry is not None and entry.is_symlink else None

    assert resolve_links("a/x", link) == "d/x"
    assert resolve_links("out", link) == "d"
    assert resolve_links("root/y", link) == "d/y"
    assert resolve_links("here", link) == "."
    with pytest.raises(LocalFileError, match="links of loop lead in a circle"):
        resolve_links("loop", link)


def test_the_environment_is_taken_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("BUILDKIT_FRONTEND_OPT_0", "build-arg:A=b=c")
    monkeypatch.setenv("BUILDKIT_FRONTEND_OPT_17", "target=")
    monkeypatch.setenv("BUILDKIT_SESSION_ID", "s")
    monkeypatch.setenv("BUILDKIT_WORKERS", "[]")
    environment = Environment.take()
    assert environment == Environment({"build-arg:A": "b=c", "target": ""}, "s", "[]")
    assert not [name for name in os.environ if name.startswith("BUILDKIT_FRONTEND")]
    assert "BUILDKIT_SESSION_ID" not in os.environ


# -- builder versions


PYTHON = "docker.io/library/python:"


def shown(daemon: FakeDaemon) -> str:
    return "\n".join([name for definition in daemon.solved for name in daemon.vertex_names(definition)])


def slim(
    text: str, options: Mapping[str, str] | None = None, project: str | None = None
) -> tuple[str, FakeDaemon]:
    """The base that `debian_slim` became, and the daemon that was asked."""
    tags = ("3.12.10", "3.11.12", "3.12.2")
    images = {f"{PYTHON}{tag}-slim-bookworm": CONFIG for tag in tags}
    local = {} if project is None else {"context": {"pyproject.toml": project.encode()}}
    daemon = run(text, options, images=images, local=local)
    assert not daemon.returned or not daemon.returned.HasField("error"), daemon.error
    [source] = [
        op.source.identifier
        for definition in daemon.solved
        for op in ops_of(definition)
        if op.source.identifier.startswith(f"docker-image://{PYTHON}")
    ]
    return source.removeprefix(f"docker-image://{PYTHON}").partition("@")[0], daemon


def test_debian_slim_without_a_version_is_a_default_that_is_told_and_seen() -> None:
    text = "print(build_arg('LLB_PYTHON_VERSION'))\nimage = Image.debian_slim()"
    base, daemon = slim(text)
    assert base == "3.12.10-slim-bookworm"
    assert "image.py: 3.12" in shown(daemon)
    assert "3.12 is taken" in shown(daemon)
    base, daemon = slim(text, {"build-arg:LLB_PYTHON_VERSION": "3.11"})
    assert base == "3.11.12-slim-bookworm"
    assert "is taken" not in shown(daemon)
    assert "does not use" not in shown(daemon)


PROJECT = '[tool.llb]\nimage-builder-version = "2024.04"'


@pytest.mark.parametrize("image", ["Image.debian_slim('3.12')", "getattr(Image, 'debian_slim')('3.12')"])
def test_the_projects_builder_version(image: str) -> None:
    base, daemon = slim(f"image = {image}", project=PROJECT)
    assert base == "3.12.2-slim-bookworm"
    [transfer] = [one for one in daemon.transfers if one["name"] == "context"]
    assert transfer["local.followpaths"] == '["pyproject.toml"]'


def test_a_build_argument_wins_over_the_project_which_is_not_asked_for() -> None:
    for name in ("LLB_IMAGE_BUILDER_VERSION", "MODAL_IMAGE_BUILDER_VERSION"):
        base, daemon = slim("image = Image.debian_slim('3.12')", {f"build-arg:{name}": "2025.06"}, PROJECT)
        assert base == "3.12.10-slim-bookworm"
        assert [one for one in daemon.transfers if one["name"] == "context"] == []


def test_a_client_without_a_context_has_no_project() -> None:
    assert slim("image = Image.debian_slim('3.12')")[0] == "3.12.10-slim-bookworm"


def test_an_unknown_builder_version() -> None:
    daemon = run("image = Image.debian_slim('3.12')", {"build-arg:LLB_IMAGE_BUILDER_VERSION": "1"})
    assert "unknown builder version '1'" in daemon.error
    assert "2025.06" in daemon.error
