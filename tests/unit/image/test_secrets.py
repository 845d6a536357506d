"""Secrets: ids in the graph, values nowhere."""

from __future__ import annotations

import csv
import os
import pickle
import shlex
from pathlib import Path
from typing import Any

import pytest

from llb import Image, Secret, compile_to_llb, graph
from llb.errors import InvalidError, InvalidTypeError, LocalFileError, NotFoundError, UnsupportedError
from llb.image import ImageDefinition, LocalDirectory, Resolver
from llb.image.secrets import read_environment, secrets_of

CANARY = "canary-5f2e91"
LOOSE: Any = Secret
BASE = Image.from_registry("busybox:latest")


class Container(Resolver):
    """As the frontend container: it sees no values."""

    has_secret_values = False


def build(*secrets: Secret, resolver: Resolver | None = None) -> ImageDefinition:
    return compile_to_llb(BASE.run_commands("true", secrets=secrets), resolver=resolver)


def ids(definition: ImageDefinition) -> list[str]:
    return [request.id for request in definition.secrets]


def test_a_step_gets_each_key_as_a_variable_by_its_id() -> None:
    definition = build(Secret.from_dict({"A": "1", "B": "2"}))
    text = graph.dump_text(definition)
    assert ids(definition) == ["A", "B"]
    assert "A" in text
    assert compile_to_llb(BASE.run_commands("true")).digest != definition.digest


def test_it_is_the_vertex_of_a_dockerfiles_secret_mount() -> None:
    """`RUN --mount=type=secret,id=A,env=A true`"""
    definition = build(Secret.from_dict({"A": "1"}))
    state = graph.image("busybox:latest", graph.LINUX_AMD64).with_platform(graph.LINUX_AMD64)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    run = (
        state.with_env("PATH", path)
        .with_dir("/")
        .run(["/bin/sh", "-c", "true"], secret_env=[graph.secret_env("A")])
    )
    assert definition.head == graph.marshal(run.root, platform=graph.LINUX_AMD64).head


def test_a_changed_value_changes_nothing() -> None:
    assert build(Secret.from_dict({"A": "1"})).digest == build(Secret.from_dict({"A": "2"})).digest


def test_with_refresh_a_changed_value_is_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLB_SECRET_KEY", "of this test")
    one = build(Secret.from_dict({"A": "1"}, refresh=True))
    two = build(Secret.from_dict({"A": "2"}, refresh=True))
    again = build(Secret.from_dict({"A": "1"}, refresh=True))
    assert one.digest == again.digest != two.digest
    (request,) = one.secrets
    assert request.id.startswith("A@")
    monkeypatch.setenv("LLB_SECRET_KEY", "another")
    assert build(Secret.from_dict({"A": "1"}, refresh=True)).digest != one.digest  # it is keyed


def test_the_users_own_key_is_made_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LLB_SECRET_KEY", raising=False)
    monkeypatch.setenv("LLB_CONFIG_DIR", str(tmp_path / "config"))
    first = build(Secret.from_dict({"A": "1"}, refresh=True))
    assert build(Secret.from_dict({"A": "1"}, refresh=True)).digest == first.digest
    assert (tmp_path / "config/secret-key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["secret-key"]


def test_in_the_container_refresh_is_said_to_have_no_effect() -> None:
    definition = build(Secret.from_dict({"A": "1"}, refresh=True), resolver=Container())
    assert ids(definition) == ["A"]
    (note,) = definition.notes
    assert "refresh=True has no effect" in note


def test_the_later_of_two_secrets_with_a_key_wins() -> None:
    definition = build(Secret.from_dict({"A": "1"}), Secret.from_dict({"A": "2"}, name="mine"))
    assert ids(definition) == ["mine.A"]


def test_two_different_secrets_with_one_id_are_refused() -> None:
    image = BASE.run_commands("a", secrets=[Secret.from_dict({"A": "1"})]).run_commands(
        "b", secrets=[Secret.from_dict({"A": "2"})]
    )
    with pytest.raises(InvalidError, match="two different secrets of this build have the id A") as caught:
        compile_to_llb(image)
    assert "name=" in caught.value.hint
    assert caught.value.location is not None


def test_the_same_secret_twice_is_one() -> None:
    image = BASE.run_commands("a", secrets=[Secret.from_dict({"A": "1"})]).run_commands(
        "b", secrets=[Secret.from_dict({"A": "1"})]
    )
    assert ids(compile_to_llb(image)) == ["A"]


def test_from_dict_leaves_out_none() -> None:
    assert ids(build(Secret.from_dict({"A": "1", "B": None}))) == ["A"]


def test_from_local_environ_reads_where_the_build_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", CANARY)
    secret = Secret.from_local_environ(["TOKEN_OF_TEST"])
    assert secret.value("TOKEN_OF_TEST") == CANARY
    monkeypatch.delenv("TOKEN_OF_TEST")
    with pytest.raises(InvalidError, match="the environment has no variable TOKEN_OF_TEST"):
        Secret.from_local_environ(["TOKEN_OF_TEST"])
    read_environment(False)
    try:
        assert ids(build(Secret.from_local_environ(["TOKEN_OF_TEST"]), resolver=Container())) == [
            "TOKEN_OF_TEST"
        ]
    finally:
        read_environment(True)


def test_from_dotenv_looks_upwards_when_it_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/er")
    secret = Secret.from_dotenv()
    (tmp_path / ".env").write_text(f"TOKEN='{CANARY}'\nEMPTY\n# comment\nexport OTHER=$TOKEN\n")
    assert ids(build(secret)) == ["EMPTY", "OTHER", "TOKEN"]
    assert secret.values() == {"TOKEN": CANARY, "EMPTY": "", "OTHER": "$TOKEN"}
    assert ids(build(Secret.from_dotenv(tmp_path, required_keys=["TOKEN"]))) == ["TOKEN"]
    assert Secret.from_dotenv(tmp_path / ".env").value("TOKEN") == CANARY


def test_from_dotenv_without_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LocalFileError, match=r"there is no nothing\.env in the working directory nor above"):
        build(Secret.from_dotenv(filename="nothing.env"))


def test_the_container_must_be_told_the_keys() -> None:
    for secret in (Secret.from_dotenv(), Secret.from_name("database")):
        with pytest.raises(UnsupportedError, match="cannot be looked up here") as caught:
            build(secret, resolver=Container())
        assert "required_keys=" in caught.value.hint


def test_from_name_asks_variables_then_its_file_then_the_variable_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LLB_CONFIG_DIR", str(tmp_path))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/my-db.env").write_text("USER_NAME=from file\nHOST=from file\n")
    monkeypatch.setenv("LLB_SECRET_MY_DB_HOST", "from variable")
    monkeypatch.setenv("PORT_OF_TEST", "from plain variable")
    secret = Secret.from_name("my-db", required_keys=["USER_NAME", "HOST", "PORT_OF_TEST"])
    assert ids(build(secret)) == ["my-db.HOST", "my-db.PORT_OF_TEST", "my-db.USER_NAME"]
    assert secret.value("USER_NAME") == "from file"
    assert secret.value("HOST") == "from variable"
    assert secret.value("PORT_OF_TEST") == "from plain variable"
    assert ids(build(Secret.from_name("my-db"))) == ["my-db.HOST", "my-db.USER_NAME"]


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLB_CONFIG_DIR", str(tmp_path))
    with pytest.raises(NotFoundError, match="nobody knows the secret 'nowhere'") as caught:
        build(Secret.from_name("nowhere"))
    assert "nowhere.env" in caught.value.hint
    with pytest.raises(NotFoundError, match="the secret 'nowhere' has no KEY_OF_TEST") as caught:
        Secret.from_name("nowhere", required_keys=["KEY_OF_TEST"]).value("KEY_OF_TEST")
    assert "LLB_SECRET_NOWHERE_KEY_OF_TEST" in caught.value.hint


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: LOOSE(), InvalidError, "Secret() makes no secret"),
        (lambda: LOOSE.from_dict([CANARY]), InvalidTypeError, "dictionary, not list"),
        (lambda: LOOSE.from_dict({1: CANARY}), InvalidTypeError, "are strings, not int"),
        (lambda: LOOSE.from_dict({"A": [CANARY]}), InvalidTypeError, "the secret A must be a string, not list"),
        (lambda: LOOSE.from_dict({"": CANARY}), InvalidError, "cannot name"),
        (lambda: LOOSE.from_dict({"A=B": CANARY}), InvalidError, "cannot name"),
        (lambda: LOOSE.from_dict({"A": CANARY}, refresh=1), InvalidTypeError, "refresh must be True or False"),
        (lambda: LOOSE.from_dict({"A": CANARY}, nmae="x"), InvalidTypeError, "from_dict() got"),
        (lambda: LOOSE.from_local_environ("TOKEN"), InvalidTypeError, "list of strings, not str"),
        (lambda: LOOSE.from_name(""), InvalidError, "name is empty"),
        (lambda: LOOSE.from_name("../x"), InvalidError, "it cannot be '../x'"),
        (lambda: LOOSE.from_name("x", environment_name=".."), InvalidError, "it cannot be '..'"),
        (lambda: LOOSE.from_name("n", required_keys="K"), InvalidTypeError, "list of strings, not str"),
        (lambda: LOOSE.from_dotenv(1), InvalidTypeError, "path must be a path"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_without_showing_values(
    wrong: Any, error: type[InvalidError], words: str
) -> None:
    with pytest.raises(error) as caught:
        wrong()
    assert words in str(caught.value)
    assert CANARY not in f"{caught.value} {caught.value.hint}"
    assert caught.value.location is not None
    assert caught.value.location.filename == __file__


def test_values_are_nowhere_to_be_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TOKEN_OF_TEST", CANARY)
    (tmp_path / ".env").write_text(f"DOTENV={CANARY}\n")
    secrets = [
        Secret.from_dict({"GIVEN": CANARY}, refresh=True),
        Secret.from_local_environ(["TOKEN_OF_TEST"]),
        Secret.from_dotenv(tmp_path),
        Secret.from_name("n", required_keys=["TOKEN_OF_TEST"]),
    ]
    monkeypatch.setenv("LLB_SECRET_KEY", "k")
    image = BASE.run_commands("true", secrets=secrets).pip_install("six", secrets=secrets)
    definition = compile_to_llb(image)
    for request in definition.secrets:
        request.secret.values()
    seen = [repr(secrets), repr(definition.secrets), repr(image), graph.dump_text(definition)]
    seen += [repr(secret._source) for secret in secrets]  # pyright: ignore[reportPrivateUsage]
    seen += [definition.image_config.decode(), str(vars(type(secrets[0])))]
    # The user's own lines go along for errors to quote; this file spells the value only as a name.
    assert not [text for text in seen if CANARY in text]
    assert CANARY.encode() not in b"".join(definition.ops)
    for secret in secrets:
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(secret)


def test_the_ids_that_an_image_needs() -> None:
    image = (
        BASE.run_commands("a", secrets=[Secret.from_dict({"B": "1"})])
        .apt_install("git", secrets=[Secret.from_name("n", required_keys=["A"])])
        .pip_install("six", secrets=[Secret.from_dict({"B": "1"})])
    )
    assert secrets_of(image) == ["B", "n.A"]


def test_an_id_can_be_given_as_a_flag() -> None:
    (request,) = build(Secret.from_name("n", required_keys=["A"])).secrets
    assert request.flag() == "--secret id=n.A,env=A"
    assert "A" not in os.environ
    assert isinstance(build(Secret.from_dict({"A": "1"}), resolver=LocalDirectory()), ImageDefinition)


@pytest.mark.parametrize(("name", "key"), [("a b", "A B"), ("a,b", "A"), ('a"b', "A"), ("it's $x", 'K"')])
def test_a_flag_is_read_by_a_shell_and_then_as_csv(name: str, key: str) -> None:
    (request,) = build(Secret.from_dict({key: "x"}, name=name)).secrets
    flag, text = shlex.split(request.flag())
    assert flag == "--secret"
    assert next(csv.reader([text])) == [f"id={name}.{key}", f"env={key}"]
