"""Volumes: cache mounts with stable ids, and a key that says which they are."""

from __future__ import annotations

import pickle
from pathlib import PurePosixPath
from typing import Any

import pytest

from llb import CloudBucketMount, Image, LLBError, NetworkFileSystem, Secret, Volume, compile_to_llb, graph
from llb.errors import InvalidError, InvalidTypeError, UnsupportedError
from llb.graph import Definition
from llb.image import BuildOptions, Resolver
from llb.image.volumes import KEY_TARGET, checked_volumes

BASE = Image.from_registry("busybox:latest")
DATA = Volume.from_name("data")
LOOSE: Any = Volume
LOOSE_NFS: Any = NetworkFileSystem
LOOSE_BUCKET: Any = CloudBucketMount
LOOSE_BASE: Any = BASE


def compiled(image: Image, **options: Any) -> list[dict[str, Any]]:
    """The ops of an image, in order."""
    definition = compile_to_llb(image, options=BuildOptions(**options))
    return dumped(definition)


def dumped(definition: Definition) -> list[dict[str, Any]]:
    vertices = graph.dump_json(definition)["vertices"]
    for one in vertices:
        one["kind"] = next(kind for kind in one["op"] if kind not in ("inputs", "platform", "constraints"))
        one["op"] = one["op"][one["kind"]]
    return vertices


def commands(image: Image, **options: Any) -> list[dict[str, Any]]:
    return [one for one in compiled(image, **options) if one["kind"] == "exec"]


def mounts(vertex: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["dest"]: one for one in vertex["op"]["mounts"]}


def digests(image: Image) -> list[str]:
    return [one["digest"] for one in compiled(image)]


# -- what a volume becomes


def test_a_volume_is_a_cache_mount_whose_id_is_its_name() -> None:
    (command,) = commands(BASE.run_commands("true", volumes={"/data": DATA}))
    assert mounts(command)["/data"]["cacheOpt"] == {"ID": "/llb-volume/data"}
    assert mounts(command)["/data"]["mountType"] == "CACHE"


def test_it_has_the_id_that_a_dockerfile_names_it_by() -> None:
    """A Dockerfile's cache mounts are below the namespace of the build, too."""
    chain = BASE.run_commands("true", volumes={"/c": Volume.from_id("ccache")})
    (command,) = commands(chain, cache_namespace="team")
    assert mounts(command)["/c"]["cacheOpt"] == {"ID": "team/ccache"}


def test_one_volume_is_one_cache_in_every_step() -> None:
    chain = BASE.run_commands("a", volumes={"/a": DATA}).run_commands("b", volumes={"/b": DATA})
    first, second = commands(chain)
    assert mounts(first)["/a"]["cacheOpt"] == mounts(second)["/b"]["cacheOpt"]


def test_environments_have_volumes_of_their_own() -> None:
    assert Volume.from_name("data", environment_name="dev").id == "llb-volume/dev/data"
    assert DATA.id == "llb-volume/data"


def test_an_ephemeral_volume_is_an_empty_directory_that_nothing_keeps() -> None:
    with Volume.ephemeral() as scratch:
        (command,) = commands(BASE.run_commands("true", volumes={"/scratch": scratch}))
    assert mounts(command)["/scratch"] == {"dest": "/scratch", "input": -1, "output": -1}
    assert KEY_TARGET not in mounts(command)


def test_several_ephemeral_ones_are_several() -> None:
    both = {"/a": Volume.ephemeral(), "/b": Volume.ephemeral()}
    (command,) = commands(BASE.run_commands("true", volumes=both))
    assert {"/a", "/b"} <= mounts(command).keys()


@pytest.mark.parametrize("sharing", ["private", "locked"])
def test_how_steps_share_a_volume_is_a_parameter(sharing: Any) -> None:
    for volume in (Volume.from_name("data", sharing=sharing), DATA.with_mount_options(sharing=sharing)):
        (command,) = commands(BASE.run_commands("true", volumes={"/data": volume}))
        assert mounts(command)["/data"]["cacheOpt"]["sharing"] == sharing.upper()


def test_a_read_only_volume_cannot_be_written() -> None:
    for volume in (DATA.read_only(), DATA.with_mount_options(read_only=True)):
        (command,) = commands(BASE.run_commands("true", volumes={"/data": volume}))
        assert mounts(command)["/data"]["readonly"] is True
    assert DATA.read_only().with_mount_options(read_only=False) == DATA


def test_a_directory_of_a_volume_is_made_before_it_is_mounted() -> None:
    models = DATA.with_mount_options(sub_path="/models//v1/")
    making, command = commands(BASE.run_commands("true", volumes={"/m": models}))
    assert mounts(command)["/m"]["selector"] == "models/v1"
    assert making["op"]["meta"]["args"][-1] == "/dev/.llb-volume-0/models/v1"
    assert mounts(making)["/dev/.llb-volume-0"]["cacheOpt"] == mounts(command)["/m"]["cacheOpt"]
    assert mounts(making)["/"]["readonly"] is True
    assert mounts(making)[KEY_TARGET]["contentCache"] == "OFF"


def test_options_are_kept_until_they_are_changed() -> None:
    volume = DATA.with_mount_options(sub_path="a").read_only().with_mount_options(sharing="locked")
    assert (volume.sub_path, volume.is_read_only, volume.sharing) == ("a", True, "locked")
    assert repr(volume) == "<Volume llb-volume/data/a, read-only>"
    assert pickle.loads(pickle.dumps(volume)) == volume


# -- the cache key


def test_another_volume_is_another_step() -> None:
    one = digests(BASE.run_commands("true", volumes={"/data": DATA}))
    other = digests(BASE.run_commands("true", volumes={"/data": Volume.from_name("other")}))
    assert one[-1] != other[-1]
    assert one == digests(BASE.run_commands("true", volumes={"/data": Volume.from_name("data")}))


def test_the_order_of_a_dictionary_does_not_matter() -> None:
    one = BASE.run_commands("true", volumes={"/a": DATA, "/b": Volume.from_name("b")})
    other = BASE.run_commands("true", volumes={"/b": Volume.from_name("b"), "/a": DATA})
    assert digests(one) == digests(other)


def test_paths_may_be_path_objects() -> None:
    place: Any = PurePosixPath("/data/")
    assert digests(BASE.run_commands("true", volumes={place: DATA})) == digests(
        BASE.run_commands("true", volumes={"/data": DATA})
    )


def test_without_volumes_a_step_is_what_it_was() -> None:
    assert digests(BASE.run_commands("true", volumes={})) == digests(BASE.run_commands("true"))


# -- forced steps


def test_a_forced_step_is_not_told_to_ignore_its_cache_which_would_empty_its_volumes() -> None:
    """What it depends on is: the file that says which volumes they are. Its content counts for nothing."""
    chain = BASE.run_commands("true", volumes={"/data": DATA}, force_build=True)
    vertices = compiled(chain)
    ignoring = [one["kind"] for one in vertices if one.get("metadata", {}).get("ignore_cache")]
    assert ignoring == ["file"]
    (command,) = [one for one in vertices if one["kind"] == "exec"]
    assert mounts(command)[KEY_TARGET]["contentCache"] == "OFF"


def test_forced_or_not_it_is_the_same_vertex() -> None:
    forced = BASE.run_commands("true", volumes={"/data": DATA}, force_build=True)
    assert digests(forced) == digests(BASE.run_commands("true", volumes={"/data": DATA}))


def test_steps_after_a_forced_one_with_volumes_are_forced() -> None:
    chain = BASE.run_commands("a", volumes={"/data": DATA}, force_build=True).run_commands("b")
    vertices = [one for one in compiled(chain) if one["kind"] == "exec"]
    assert [bool(one.get("metadata", {}).get("ignore_cache")) for one in vertices] == [False, True]


def test_no_cache_keeps_volumes_too() -> None:
    chain = BASE.run_commands("a", volumes={"/data": DATA})
    assert not any(one.get("metadata", {}).get("ignore_cache") for one in commands(chain, no_cache=True))


def test_an_engine_that_cannot_leave_content_out_of_a_key_gets_a_writable_part() -> None:
    """BuildKit never goes by the content of that."""

    class Old(Resolver):
        capabilities = frozenset({"exec.mount.cache", "exec.mount.cache.sharing", "exec.mount.bind"})

    definition = compile_to_llb(BASE.run_commands("true", volumes={"/data": DATA}), resolver=Old())
    (command,) = [one for one in dumped(definition) if one["kind"] == "exec"]
    assert "readonly" not in mounts(command)[KEY_TARGET]
    assert "contentCache" not in mounts(command)[KEY_TARGET]
    assert mounts(command)[KEY_TARGET]["selector"] == "/key"
    assert mounts(command)[KEY_TARGET]["output"] == 1


# -- refusals


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("data", '"/data"'),
        ("/data/../x", '"/x"'),
        ("/a//b", '"/a/b"'),
        ("./data", '"/data"'),
        ("/", "cannot be mounted at /"),
        ("/root", "cannot be mounted at /root"),
        ("/root/", "cannot be mounted at /root"),
        ("/tmp", "cannot be mounted at /tmp"),
        ("/proc/x", "cannot be mounted at /proc/x"),
        ("/dev", "cannot be mounted at /dev"),
        ("", "is empty"),
    ],
)
def test_places_where_no_volume_can_be(path: str, said: str) -> None:
    with pytest.raises(InvalidError) as caught:
        BASE.run_commands("true", volumes={path: DATA})
    assert said in str(caught.value)
    assert __file__ in str(caught.value)


def test_a_volume_can_be_below_what_is_taken() -> None:
    BASE.run_commands("true", volumes={"/root/.cache/huggingface": DATA, "/tmp/x": Volume.from_name("x")})


@pytest.mark.parametrize(
    ("attempt", "kind", "said"),
    [
        (lambda: {"/a": DATA, "/b": DATA.read_only()}, InvalidError, "mounted twice, at /a and /b"),
        (lambda: {"/a": DATA, "/a/": Volume.from_name("b")}, InvalidError, "two volumes are mounted at /a"),
        (lambda: {"/a": "data"}, InvalidTypeError, "volumes['/a'] must be a Volume, not str"),
        (lambda: {1: DATA}, InvalidTypeError, "a path of volumes must be a path, not int"),
        (lambda: [DATA], InvalidTypeError, "volumes must be a dictionary, not list"),
        (lambda: DATA, InvalidTypeError, "volumes must be a dictionary, not Volume"),
        (lambda: {"/a": CloudBucketMount("b")}, InvalidTypeError, "cannot hold a CloudBucketMount here"),
        (lambda: {"/a": NetworkFileSystem.from_name("n")}, InvalidTypeError, "not NetworkFileSystem"),
    ],
)
def test_what_volumes_cannot_be(attempt: Any, kind: type[LLBError], said: str) -> None:
    with pytest.raises(kind) as caught:
        LOOSE_BASE.run_commands("true", volumes=attempt())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("attempt", "kind", "said"),
    [
        (lambda: LOOSE(), InvalidError, 'Write Volume.from_name("data")'),
        (lambda: LOOSE_NFS(), InvalidError, "makes none"),
        (lambda: LOOSE.from_name(3), InvalidTypeError, "name must be a string, not int"),
        (lambda: LOOSE.from_name("a/b"), InvalidError, "name cannot be 'a/b'"),
        (lambda: LOOSE.from_name("x" * 65), InvalidError, "up to 64"),
        (lambda: LOOSE.from_name(""), InvalidError, "name is empty"),
        (lambda: LOOSE.from_name("a", environment_name="b c"), InvalidError, "environment_name cannot be"),
        (lambda: LOOSE.from_name("a", sharing="mine"), InvalidError, "There are shared, private, locked"),
        (lambda: LOOSE.from_name("a", create_if_missing=1), InvalidTypeError, "create_if_missing must be"),
        (lambda: LOOSE.from_name(), InvalidTypeError, "help(Volume.from_name)"),
        (lambda: LOOSE.from_id(""), InvalidError, "volume_id is empty"),
        (lambda: LOOSE_NFS.from_name("a/b"), InvalidError, "name cannot be 'a/b'"),
        (lambda: DATA.with_mount_options(sub_path="../x"), InvalidError, "must lead into the volume"),
        (lambda: LOOSE.from_name("a").with_mount_options(sub_path=1), InvalidTypeError, "sub_path must be"),
        (lambda: LOOSE.from_name("a").with_mount_options(read_only="y"), InvalidTypeError, "read_only must"),
    ],
)
def test_what_no_volume_can_be_made_of(attempt: Any, kind: type[LLBError], said: str) -> None:
    with pytest.raises(kind) as caught:
        attempt()
    assert said in str(caught.value)
    assert __file__ in str(caught.value)


def test_a_volume_needs_linux() -> None:
    chain = Image.from_registry("windows/nanoserver").run_commands("x", volumes={"/data": DATA})
    with pytest.raises(UnsupportedError, match="a volume needs a Linux image"):
        compile_to_llb(chain, platform="windows/amd64")


# -- network file systems and buckets


def test_a_network_file_system_is_a_volume_with_names_of_its_own() -> None:
    (at,) = checked_volumes(None, {"/nfs": NetworkFileSystem.from_name("data")})
    assert at.volume.__class__ is NetworkFileSystem
    assert NetworkFileSystem.from_name("data").id == "llb-nfs/data"


def test_a_bucket_may_be_there_twice() -> None:
    bucket = CloudBucketMount("b")
    assert [one.path for one in checked_volumes({"/b": bucket, "/a": bucket}, buckets=True)] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("attempt", "kind", "said"),
    [
        (lambda: LOOSE_BUCKET(3), InvalidTypeError, "bucket_name must be a string"),
        (lambda: LOOSE_BUCKET("b/c"), InvalidError, "what follows it goes to key_prefix"),
        (lambda: LOOSE_BUCKET("b", key_prefix="x"), InvalidError, 'key_prefix="x/"'),
        (lambda: LOOSE_BUCKET("b", key_prefix="/x/"), InvalidError, 'key_prefix="x/"'),
        (lambda: LOOSE_BUCKET("b", "s3.example"), InvalidError, "must be a URL"),
        (lambda: LOOSE_BUCKET("b", secret="hunter2"), InvalidTypeError, "secret must be a Secret, not str"),
        (lambda: LOOSE_BUCKET("b", read_only=1), InvalidTypeError, "read_only must be"),
        (lambda: LOOSE_BUCKET("b", requester_pays=True), InvalidError, "who pays"),
        (lambda: LOOSE_BUCKET("b", oidc_auth_role_arn="arn"), UnsupportedError, "no identity of its own"),
    ],
)
def test_what_no_bucket_can_be(attempt: Any, kind: type[LLBError], said: str) -> None:
    with pytest.raises(kind) as caught:
        attempt()
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert __file__ in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidError) as caught:
        CloudBucketMount("b", "https://me:hunter2@s3.example")
    assert "hunter2" not in str(caught.value)


def test_a_bucket_shows_no_secret_and_cannot_be_pickled() -> None:
    bucket = CloudBucketMount("b", key_prefix="x/", secret=Secret.from_dict({"AWS_ACCESS_KEY_ID": "hunter2"}))
    assert repr(bucket) == "<CloudBucketMount b/x/>"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(bucket)
