"""Ids, names, and what they stand for."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from llb import Image, compile_to_llb, graph
from llb.client.build import Compiled
from llb.client.definitions import LocalSource, local_sources, relocated
from llb.client.images import output_of, stored_of
from llb.client.store import Store, StoredImage, StoredLog, digest_of_files, stored_definition
from llb.errors import ExecutionError, InvalidError, InvalidTypeError, NotBuiltError, NotFoundError
from llb.image import BuildOptions, LocalDirectory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a").write_text("a")
    return tmp_path


def chain() -> Image:
    return Image.from_registry("busybox").add_local_dir("src", "/app", copy=True).run_commands("true")


def stored(project: Path, session: str = "s1", image: Image | None = None) -> StoredImage:
    options = BuildOptions(session=session)
    definition = compile_to_llb(image or chain(), resolver=LocalDirectory(project), options=options)
    return stored_of(Compiled((definition,), {"context": str(project)}), lazily=False)


def test_an_id_is_the_same_in_each_session_and_changes_with_what_the_image_is(project: Path) -> None:
    first = stored(project, "s1")
    assert first.id == stored(project, "s2").id
    assert first.id.startswith("im-")
    os.utime(project / "src/a", (1, 1))
    assert first.id == stored(project).id
    assert first.id != stored(project, image=chain().run_commands("false")).id
    assert first.id != stored(project, image=chain().env({"A": "b"})).id
    (project / "src/a").write_text("b")
    assert first.id != stored(project).id


def test_the_digest_of_files_is_of_names_kinds_modes_and_contents(project: Path) -> None:
    digests = [digest_of_files(str(project), {})]
    for change in (
        lambda: (project / "src/b").write_text(""),
        lambda: (project / "src/b").chmod(0o600),
        lambda: (project / "src/b").unlink(),
        lambda: (project / "src/b").symlink_to("a"),
        lambda: (project / "src/c").mkdir(),
    ):
        change()
        digests.append(digest_of_files(str(project), {}))
    assert len(set(digests)) == len(digests) - 1
    assert digests[0] == digests[3]


def test_what_is_saved_comes_back(project: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    image = replace(stored(project), logs=(StoredLog("run_commands true", "said"),), built=1.0)
    store.save(image)
    assert store.load(image.id) == image
    store.save(replace(image, logs=(), built=2.0))
    assert store.load(image.id).logs == image.logs
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "data").rglob("*"))
    assert not [name for name in os.listdir(tmp_path / "data/images") if name.startswith(".")]


def test_names_stand_for_ids(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.publish("dev/base:1", "im-1")
    store.publish("base:1", "im-2")
    assert (store.published("dev/base:1"), store.published("base:1")) == ("im-1", "im-2")
    with pytest.raises(NotFoundError, match="published as base:2"):
        store.published("base:2")


@pytest.mark.parametrize("identifier", ["im-1", "im-../../etc/passwd", "im-" + "g" * 64, ""])
def test_an_id_that_was_not_built_here(tmp_path: Path, identifier: str) -> None:
    with pytest.raises(NotFoundError, match="was built on this machine"):
        Store(tmp_path).load(identifier)


def test_a_stored_image_that_was_tampered_with(project: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    image = stored(project)
    store.save(image)
    path = tmp_path / f"data/images/{image.id}.json"
    path.write_text(path.read_text().replace('"definition": "', '"definition": "AAAA'))
    with pytest.raises(ExecutionError, match="cannot be read"):
        store.load(image.id)
    path.write_text("{")
    with pytest.raises(ExecutionError, match="cannot be read"):
        store.load(image.id)


def test_a_place_that_cannot_be_written_is_named(project: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ExecutionError, match="cannot be remembered") as caught:
        Store(tmp_path / "data").save(stored(project))
    assert "LLB_DATA_DIR" in caught.value.hint


def test_a_stored_images_files_belong_to_it_and_must_be_the_same(project: Path) -> None:
    image = stored(project)
    definition, _ = stored_definition(image, "linux/amd64", "s9")
    (source,) = local_sources(definition)
    assert source.name == f"{image.id}/context"
    assert source.attrs["local.session"] == "s9"
    with pytest.raises(ExecutionError, match="not for linux/arm64"):
        stored_definition(image, "linux/arm64", "")
    (project / "src/a").write_text("other")
    with pytest.raises(ExecutionError, match="have changed since it was built"):
        stored_definition(image, "linux/amd64", "")


def test_only_what_builds_on_a_moved_source_gets_another_digest(project: Path) -> None:
    plain = compile_to_llb(chain(), resolver=LocalDirectory(project))
    moved = relocated(plain, lambda source: LocalSource("other", source.attrs))
    again = compile_to_llb(
        chain(),
        resolver=LocalDirectory(project, contexts={"other": project}),
        options=BuildOptions(context_name="other"),
    )
    names = {
        d: dict(plain.metadata[d].description).get("llb.customname", "") if d in plain.metadata else ""
        for d in plain.digests()
    }
    kept = {names[d] for d in set(plain.digests()) & set(moved.digests())}
    assert kept == {"[1/3] from_registry docker.io/library/busybox:latest"}
    assert graph.Definition.from_bytes(moved.to_bytes()).ops == moved.ops
    assert relocated(moved, lambda source: LocalSource("context", source.attrs)).ops == plain.ops
    assert [one.name for one in local_sources(again)] == ["other"]


GOOD = {"base": "base:latest", "base:1.0": "base:1.0", "dev/base": "dev/base:latest", "a/b/c:d": "a/b/c:d"}


@pytest.mark.parametrize("name", GOOD)
def test_names_are_completed(name: str) -> None:
    assert GOOD[name] in repr(vars_of(Image.from_name(name)))


def vars_of(image: Image) -> object:
    from llb.image.chain import step_of

    return step_of(image).__value_tuple__()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "name is empty"),
        ("a:", "empty part"),
        (":tag", "empty part"),
        ("/a", "empty part"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("a b", "is no name"),
        ("ä", "is no name"),
        ("a:b:c", "is no name"),
        ("x" * 65, "is no name"),
        ("a:" + "x" * 65, "is no name"),
        ("im-base", "looks like an image id"),
        ("ap-" + "0" * 22, "looks like the id of an app"),
    ],
)
def test_what_is_no_name_is_refused_when_it_is_written(name: str, says: str) -> None:
    for write in (Image.from_name, Image.from_scratch().publish):
        with pytest.raises(InvalidError, match=says) as caught:
            write(name)
        assert caught.value.location is not None
    assert "from_name" in str(caught.value) or "publish" in str(caught.value)


def test_a_name_says_its_environment_once() -> None:
    with pytest.raises(InvalidError, match="environment_name='prod' is given too"):
        Image.from_name("dev/base", environment_name="prod")
    assert "prod/base:latest" in repr(vars_of(Image.from_name("base", environment_name="prod")))
    Image.from_name("base:im-1")  # a tag may look like an id


def test_before_it_is_built_an_image_has_no_id_no_name_and_no_logs() -> None:
    image = Image.from_scratch()
    assert not hasattr(image, "object_id")
    with pytest.raises(NotBuiltError, match="unhydrated"):
        _ = image.object_id
    with pytest.raises(ExecutionError, match="has not been created"):
        image.publish("base")
    with pytest.raises(ExecutionError, match="cannot be hydrated on demand"):
        image.hydrate()
    with pytest.raises(ExecutionError, match="no logs before it is built"):
        image.logs.fetch()


def test_an_image_from_an_id_knows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLB_DATA_DIR", str(tmp_path))
    identifier = "im-" + "0" * 64
    image = Image.from_id(identifier)
    assert image.object_id == identifier
    assert image.add_local_file("x", "/x").object_id == identifier
    with pytest.raises(NotFoundError, match="was built on this machine"):
        image.hydrate()
    with pytest.raises(NotFoundError) as caught:
        compile_to_llb(image)
    assert caught.value.step == "from_id"
    with pytest.raises(InvalidError, match="'base' is no image id"):
        Image.from_id("base")
    with pytest.raises(InvalidTypeError):
        Image.from_id(7)  # pyright: ignore[reportArgumentType]


def test_outputs_are_kinds_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = {
        text: output_of(text).type for text in ("dist", "x.tar", "oci:x.tar", "docker:y", "local:z", "a:b")
    }
    assert list(found.values()) == ["local", "tar", "oci", "docker", "local", "local"]
    assert output_of("oci:x.tar").path == str(tmp_path / "x.tar")
    with pytest.raises(InvalidError, match="has no path"):
        output_of("oci:")
