"""What rides on a state, and what a command makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llb.errors import InvalidError, InvalidTypeError
from llb.graph import (
    Definition,
    Platform,
    State,
    Ulimit,
    bind,
    cache,
    http,
    image,
    marshal,
    scratch,
    secret,
    secret_env,
    ssh,
    tmpfs,
)
from llb.graph.decoding import decode_op


def last(state: State, **options: Any) -> dict[str, Any]:
    """The op that a state is an output of."""
    definition: Definition = marshal(state, **options)
    return decode_op(definition.ops[-2])


def meta(state: State) -> dict[str, Any]:
    return last(state)["exec"]["meta"]


BASE = image("base")


def test_a_state_never_changes() -> None:
    changed = BASE.with_env("A", "1").with_dir("/w").with_user("me")
    assert (BASE.env, BASE.dir, BASE.user) == ((), "/", "")
    assert (changed.env, changed.dir, changed.user) == ((("A", "1"),), "/w", "me")
    with pytest.raises(AttributeError):
        changed.vertex = None  # pyright: ignore[reportAttributeAccessIssue]


def test_values_reach_every_later_command() -> None:
    state = (
        BASE.with_envs({"A": "1", "B": "2"})
        .with_env("A", "3")
        .with_dir("/w")
        .with_user("me")
        .with_hostname("h")
        .with_extra_hosts({"x": "1.2.3.4"})
        .with_ulimits(("nofile", 1, 2), Ulimit("core", 0, 0))
        .with_cgroup_parent("/c")
        .with_valid_exit_codes(0, 3)
    )
    for op in (state.run(["a"]).root, state.run(["a"]).root.run(["b"]).root):
        found = meta(op)
        assert found["env"] == ["B=2", "A=3"]
        assert (found["cwd"], found["user"], found["hostname"], found["cgroupParent"]) == (
            "/w",
            "me",
            "h",
            "/c",
        )
        assert found["extraHosts"] == [{"Host": "x", "IP": "1.2.3.4"}]
        assert [one["Name"] for one in found["ulimit"]] == ["nofile", "core"]
        assert found["validExitCodes"] == [0, 3]
    assert state.run(["a"]).root.env == state.env


def test_options_of_a_command_are_its_own() -> None:
    command = BASE.with_env("A", "1").run(["a"], env={"B": "2"}, cwd="sub", user="you", network="none")
    assert meta(command.root)["env"] == ["A=1", "B=2"]
    assert meta(command.root)["cwd"] == "/sub"
    after = command.root
    assert (after.env, after.dir, after.user, after.network) == ((("A", "1"),), "/", "", "sandbox")


def test_args_of_a_state_are_the_default() -> None:
    state = BASE.with_args(["make", "all"])
    assert meta(state.run().root)["args"] == ["make", "all"]
    assert meta(state.run(["other"]).root)["args"] == ["other"]


def test_relative_directories_start_at_the_present_one() -> None:
    assert BASE.with_dir("a").with_dir("../b/./c").dir == "/b/c"
    assert BASE.with_dir("/a/../b").dir == "/a/../b"


def test_the_platform_is_the_nearest_one_that_is_named() -> None:
    assert last(BASE.run(["a"]).root, platform="linux/s390x")["platform"]["Architecture"] == "s390x"
    on_arm = image("base", "linux/arm64")
    assert on_arm.platform == Platform("linux", "arm64")
    assert last(on_arm.run(["a"]).root)["platform"]["Architecture"] == "arm64"
    assert last(on_arm.run(["a"], platform="linux/386").root)["platform"]["Architecture"] == "386"
    assert "platform" not in last(http("https://example.org/x"))


def test_an_image_config_gives_env_directory_and_platform_but_no_user() -> None:
    config = {
        "os": "linux",
        "architecture": "arm64",
        "config": {"Env": ["A=b"], "WorkingDir": "/w", "User": "me"},
    }
    state = BASE.with_image_config(config)
    assert (state.env, state.dir, state.user) == ((("A", "b"),), "/w", "")
    assert state.platform == Platform("linux", "arm64")
    with pytest.raises(InvalidError, match="JSON object"):
        BASE.with_image_config(b"[]")
    with pytest.raises(InvalidError, match="JSON object"):
        BASE.with_image_config(b"{")


def test_values_on_another_filesystem() -> None:
    state = BASE.with_env("A", "1").with_output_of(image("other", "linux/arm64"))
    assert state.env == (("A", "1"),)
    assert state.platform == Platform("linux", "arm64")
    assert state.vertex is not BASE.vertex


def test_outputs_of_mounts() -> None:
    source = image("source").with_env("OF", "source")
    command = BASE.with_env("A", "1").run(
        ["make"], mounts=[bind("/z", scratch()), bind("/a", source), bind("/ro", source, readonly=True)]
    )
    assert (command.root.index, command.mounted("/a").index, command.mounted("/z").index) == (0, 1, 2)
    assert command.mounted("/a").env == ()
    assert source.with_output_of(command.mounted("/a")).env == (("OF", "source"),)
    assert command.mounted("/ro").vertex is source.vertex
    assert command.root.env == (("A", "1"),)
    assert BASE.run(["a"]).mounted("/").index == 0


def test_a_read_only_root_is_the_result_itself() -> None:
    command = BASE.run(["a"], readonly_root=True)
    assert command.root.vertex is BASE.vertex
    assert scratch().run(["a"], readonly_root=True).root.vertex is None


@pytest.mark.parametrize(
    ("mount", "kind"),
    [(cache("/m"), "cache"), (tmpfs("/m"), "tmpfs"), (bind("/m", BASE, no_output=True), "no-output")],
)
def test_some_mounts_cannot_be_built_on(mount: Any, kind: str) -> None:
    with pytest.raises(InvalidError, match=f"the {kind} mount at /m cannot be built on"):
        BASE.run(["a"], mounts=[mount]).mounted("/m")


def test_no_such_mount() -> None:
    with pytest.raises(InvalidError, match="nothing is mounted at '/x'") as caught:
        BASE.run(["a"], mounts=[bind("/m", BASE)]).mounted("/x")
    assert "/m" in caught.value.hint


def test_secrets_are_named_not_held() -> None:
    op = last(
        BASE.run(["a"], mounts=[secret("/s", id="token"), ssh(id="agent")], secret_env=[secret_env("T")]).root
    )
    assert [one["dest"] for one in op["exec"]["mounts"]] == ["/", "/s", "/run/buildkit/ssh_agent.0"]
    assert op["exec"]["secretenv"] == [{"ID": "T", "name": "T"}]
    assert "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0" in op["exec"]["meta"]["env"]


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: BASE.run([]), "a command needs arguments"),
    (lambda: BASE.run("make all"), "a list of words, not one text"),
    (lambda: BASE.run(["a", 1]), "1 is int"),  # pyright: ignore[reportArgumentType]
    (lambda: BASE.with_env("", "x"), "cannot name an environment variable"),
    (lambda: BASE.with_env("A=B", "x"), "cannot name an environment variable"),
    (lambda: BASE.with_env("A", 1), "needs text, not int"),  # pyright: ignore[reportArgumentType]
    (lambda: BASE.with_network("bridge"), "not a network mode"),  # pyright: ignore[reportArgumentType]
    (lambda: BASE.run(["a"], security="root"), "not a security mode"),  # pyright: ignore[reportArgumentType]
    (lambda: BASE.with_extra_hosts({"a": "localhost"}), "not an IP address"),
    (lambda: bind("src", BASE), "needs an absolute path, not 'src'"),
    (lambda: cache("/c", sharing="both"), "not a value of sharing"),  # pyright: ignore[reportArgumentType]
    (lambda: bind("/c", BASE, content_cache="yes"), "content_cache"),  # pyright: ignore[reportArgumentType]
    (lambda: tmpfs("/t", size=-1), "cannot have -1 bytes"),
    (lambda: secret_env("A=B"), "cannot name an environment variable"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_wrong_values_are_refused_with_a_way_out(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidError, match=message) as caught:
        make()
    assert caught.value.hint or "environment" in message or "1 is int" in message or "bytes" in message


def test_wrong_types_are_type_errors_too() -> None:
    with pytest.raises(InvalidTypeError):
        BASE.run("make")
    with pytest.raises(TypeError):
        BASE.run("make")


def test_windows_paths_are_absolute() -> None:
    assert bind("C:\\src", BASE).target == "C:\\src"


def test_text_that_is_not_unicode_is_refused_when_it_is_marshalled() -> None:
    with pytest.raises(InvalidError, match="not Unicode text"):
        marshal(BASE.run(["cat", "\udcff"]).root)
