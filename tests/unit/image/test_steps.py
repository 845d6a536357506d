"""What each step becomes: commands, packages, config. (test_dockerfile.py holds them against Dockerfiles.)"""

from __future__ import annotations

import pytest

from llb.errors import InvalidError, InvalidTypeError
from llb.graph import LinuxResources, ProxyEnv
from llb.image import BuildOptions, Image
from llb.image.config import expand
from llb.pb import ops_pb2 as pb
from tests.unit.image.vertices import Answers, base, compiled


class TestRunCommands:
    def test_one_vertex_per_command(self) -> None:
        result = compiled(base().run_commands("a", ["b", "c"]))
        assert result.commands == ["a", "b", "c"]
        assert [list(run.meta.args)[:2] for run in result.execs] == [["/bin/sh", "-c"]] * 3

    def test_the_text_is_not_touched(self) -> None:
        text = "  echo \"$HOME\" 'x'\n\techo ü "
        assert compiled(base().run_commands(text)).commands == [text]

    def test_editing_one_command_keeps_the_ones_before(self) -> None:
        first = compiled(base().run_commands("a", "b", "c")).definition.digests()
        second = compiled(base().run_commands("a", "x", "c")).definition.digests()
        assert [one == other for one, other in zip(first, second, strict=True)] == [
            True,
            True,
            False,
            False,
            False,
        ]

    def test_its_environment_is_its_own(self) -> None:
        result = compiled(
            base().env({"A": "1"}).run_commands("x", env={"B": "2", "A": "3"}).run_commands("y")
        )
        assert [list(run.meta.env)[1:] for run in result.execs] == [["B=2", "A=3"], ["A=1"]]
        assert "B=2" not in result.config["Env"]

    def test_names_of_vertices(self) -> None:
        chain = base().run_commands("make", "a\nb").workdir("/w").pip_install("six").env({"A": "1"})
        assert compiled(chain).names == [
            "[1/5] from_registry docker.io/library/debian:12",
            "[2/5] run_commands make",
            "[3/5] run_commands a...",
            "[4/5] workdir /w",
            "[5/5] pip_install six",
        ]

    def test_names_where_several_images_are_built(self) -> None:
        options = BuildOptions(progress_prefix="linux/arm64")
        names = compiled(base().run_commands(*"abcdefghijk"), options=options).names
        assert names[0] == "[linux/arm64  1/12] from_registry docker.io/library/debian:12"
        assert names[11] == "[linux/arm64 12/12] run_commands k"


class TestPackages:
    def test_apt_leaves_nothing_in_the_layer(self) -> None:
        [run] = compiled(base().apt_install("git", ["curl", "a b"], "--no-install-recommends")).execs
        assert run.meta.args[-1] == (
            "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "
            "-o Dir::Cache::Archives=/var/cache/apt/llb git curl 'a b' --no-install-recommends"
        )
        caches = {mount.dest: mount.cacheOpt for mount in run.mounts if mount.mountType == pb.MountType.CACHE}
        assert sorted(caches) == ["/var/cache/apt", "/var/lib/apt/lists"]
        assert {cache.sharing for cache in caches.values()} == {pb.CacheSharingOpt.LOCKED}
        assert caches["/var/cache/apt"].ID == "//var/cache/apt"
        assert not [entry for entry in run.meta.env if "DEBIAN" in entry]

    def test_pip_installs_in_one_command_in_any_order(self) -> None:
        one = compiled(base().pip_install("b", "a"))
        assert one.commands == ["python -m pip install a b"]
        assert one.definition.digests() == compiled(base().pip_install(["a"], "b")).definition.digests()

    def test_pip_keeps_downloads_on_the_builder(self) -> None:
        [run] = compiled(base().pip_install("a")).execs
        [cache] = [mount for mount in run.mounts if mount.mountType == pb.MountType.CACHE]
        assert (cache.dest, cache.cacheOpt.ID) == ("/root/.cache/pip", "//root/.cache/pip")
        assert cache.cacheOpt.sharing == pb.CacheSharingOpt.SHARED

    def test_options_of_pip(self) -> None:
        chain = base().pip_install(
            "torch",
            extra_index_url="https://e",
            pre=True,
            index_url="https://$USER:x@i",
            find_links="/w x",
            extra_options="--no-deps $MORE",
        )
        assert compiled(chain).commands == [
            "python -m pip install torch --find-links '/w x' --index-url 'https://$USER:x@i' "
            "--extra-index-url https://e --pre --no-deps $MORE"
        ]

    def test_the_shell_gets_words_quoted(self) -> None:
        assert compiled(base().pip_install("a[b]>=1,<2; x == 'y'")).commands == [
            "python -m pip install 'a[b]>=1,<2; x == '\"'\"'y'\"'\"''"
        ]

    def test_each_call_is_a_step(self) -> None:
        assert len(compiled(base().pip_install("a").pip_install("b")).commands) == 2


class TestEnv:
    def test_it_holds_for_what_follows(self) -> None:
        result = compiled(base().run_commands("a").env({"B": "2", "A": "1"}).run_commands("b"))
        assert [list(run.meta.env)[1:] for run in result.execs] == [[], ["B=2", "A=1"]]
        assert result.config["Env"][1:] == ["B=2", "A=1"]

    def test_a_replaced_variable(self) -> None:
        result = compiled(base().env({"A": "1", "B": "2"}).env({"A": "3"}).run_commands("x"))
        assert result.config["Env"][1:] == ["A=3", "B=2"]
        assert list(result.execs[0].meta.env)[1:] == ["B=2", "A=3"]  # the order of Dockerfile builds

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("/x:$PATH", "/x:/bin"),
            ("/x:${PATH}:/y", "/x:/bin:/y"),
            ("$PATH$PATH", "/bin/bin"),
            ("$PATHX $NONE ${NONE}", "$PATHX $NONE ${NONE}"),
            ("\\$PATH", "\\$PATH"),
            ("\\${PATH}", "\\${PATH}"),
            ("\\$NONE", "\\$NONE"),
            ("\\u@\\h\\$ ", "\\u@\\h\\$ "),
            ("${PATH:-x} $1 $$ $ ${}", "${PATH:-x} $1 $$ $ ${}"),
            ("100$", "100$"),
            ("$EMPTY!", "!"),
            ("$BACK$PATH", "x\\/bin"),
            ("\\$PATH$PATH\\$PATH", "\\$PATH/bin\\$PATH"),
        ],
    )
    def test_variables_of_the_image_are_replaced(self, value: str, expected: str) -> None:
        assert expand(value, {"PATH": "/bin", "EMPTY": "", "BACK": "x\\"}) == expected

    def test_variables_of_the_base_and_of_the_chain_count(self) -> None:
        resolver = Answers(config={"config": {"Env": ["PATH=/opt", "X=x"]}})
        chain = base().env({"A": "$X-1", "B": "$A", "PATH": "$B:$PATH"}).run_commands("y", env={"C": "$A"})
        result = compiled(chain, resolver)
        assert result.config["Env"] == ["PATH=x-1:/opt", "X=x", "A=x-1", "B=x-1"]
        assert list(result.execs[0].meta.env)[-1] == "C=$A"


class TestConfig:
    def test_all_of_it(self) -> None:
        chain = (
            base()
            .workdir("/a")
            .workdir("b")
            .user("1000:1000")
            .shell(["/bin/bash", "-c"])
            .entrypoint(["/init", 'a "b"'])
            .cmd(["c"])
            .labels({"x": "1"})
            .labels({"y": "2", "x": "3"})
        )
        result = compiled(chain)
        assert result.config == {
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": "/a/b",
            "User": "1000:1000",
            "Shell": ["/bin/bash", "-c"],
            "Entrypoint": ["/init", 'a "b"'],
            "Cmd": ["c"],
            "Labels": {"x": "3", "y": "2"},
        }
        assert result.history == [
            "WORKDIR /a",
            "WORKDIR /a/b",
            "USER 1000:1000",
            "SHELL [/bin/bash -c]",
            'ENTRYPOINT ["/init" "a \\"b\\""]',
            'CMD ["c"]',
            "LABEL x=1",
            "LABEL y=2 x=3",
        ]

    def test_a_layer_has_one_entry_in_the_history(self) -> None:
        entries = compiled(base().workdir("/a").env({"A": "1"}).run_commands("b")).document["history"]
        assert [entry.get("empty_layer", False) for entry in entries] == [False, True, False]
        assert {entry["comment"] for entry in entries} == {"llb"}

    def test_a_working_directory_is_made(self) -> None:
        result = compiled(base().user("app").workdir("/a/b").run_commands("x"))
        [action] = result.actions
        assert (action.mkdir.path, action.mkdir.makeParents, action.mkdir.mode) == ("/a/b", True, 0o755)
        assert action.mkdir.owner.user.byName.name == "app"
        assert result.execs[0].meta.cwd == "/a/b"

    def test_the_root_needs_no_making(self) -> None:
        assert compiled(base().workdir("/")).actions == []

    def test_an_entrypoint_drops_the_bases_command(self) -> None:
        resolver = Answers(config={"config": {"Entrypoint": ["/old"], "Cmd": ["arguments"]}})
        config = compiled(base().entrypoint(["/new"]), resolver).config
        assert config["Entrypoint"] == ["/new"]
        assert "Cmd" not in config
        assert compiled(base().cmd(["mine"]).entrypoint(["/new"]), resolver).config["Cmd"] == ["mine"]

    def test_an_empty_entrypoint_is_none(self) -> None:
        resolver = Answers(config={"config": {"Entrypoint": ["/old"], "Cmd": ["x"]}})
        assert "Entrypoint" not in compiled(base().entrypoint([]), resolver).config
        assert "Cmd" not in compiled(base().cmd([]), resolver).config

    def test_an_empty_shell_is_the_default(self) -> None:
        chain = base().shell(["/bin/bash", "-c"]).shell([]).run_commands("x")
        assert list(compiled(chain).execs[0].meta.args) == ["/bin/sh", "-c", "x"]

    def test_unknown_keys_of_the_base_survive(self) -> None:
        config = {"config": {"Healthcheck": {"Test": ["NONE"]}, "X": 1}, "other": [1]}
        document = compiled(base().cmd(["x"]), Answers(config=config)).document
        assert document["config"]["Healthcheck"] == {"Test": ["NONE"]}
        assert (document["config"]["X"], document["other"]) == (1, [1])


class TestOptions:
    def test_commands_get_what_the_build_was_asked_for(self) -> None:
        options = BuildOptions(
            extra_hosts=(("h", "10.0.0.1"),),
            network="none",
            ulimits=(("nofile", 1, 2),),
            shm_size=4096,
            cgroup_parent="/c",
            hostname="box",
            proxy=ProxyEnv(http_proxy="http://p"),
            linux_resources=LinuxResources(memory=1 << 20),
        )
        result = compiled(base().run_commands("x"), options=options)
        [run] = result.execs
        assert [(host.Host, host.IP) for host in run.meta.extraHosts] == [("h", "10.0.0.1")]
        assert [(limit.Name, limit.Soft, limit.Hard) for limit in run.meta.ulimit] == [("nofile", 1, 2)]
        assert (run.meta.hostname, run.meta.cgroupParent) == ("box", "/c")
        assert run.network == pb.NetMode.NONE
        assert run.meta.proxy_env.http_proxy == "http://p"
        [shm] = [mount for mount in run.mounts if mount.mountType == pb.MountType.TMPFS]
        assert (shm.dest, shm.TmpfsOpt.size) == ("/dev/shm", 4096)
        resources = result.definition.metadata[result.definition.digests()[1]].linux_resources
        assert resources == LinuxResources(memory=1 << 20)

    def test_what_an_engine_lacks_is_left_out_as_in_dockerfile_builds(self) -> None:
        options = BuildOptions(ulimits=(("nofile", 1, 2),), shm_size=4096, cgroup_parent="/c")
        [run] = compiled(base().run_commands("x"), Answers(lacks=("mergeop",)), options=options).execs
        assert (len(run.meta.ulimit), run.meta.cgroupParent, len(run.mounts)) == (0, "", 1)

    def test_labels_of_the_build_come_last(self) -> None:
        options = BuildOptions(labels=(("a", "build"), ("b", "build")))
        result = compiled(base().labels({"a": "chain", "c": "chain"}), options=options)
        assert result.config["Labels"] == {"a": "build", "b": "build", "c": "chain"}

    def test_a_source_date(self) -> None:
        options = BuildOptions(source_date_epoch=60)
        result = compiled(base().workdir("/w").env({"A": "1"}), options=options)
        assert {entry["created"] for entry in result.document["history"]} == {"1970-01-01T00:01:00Z"}
        assert result.actions[0].mkdir.timestamp == 60_000_000_000

    def test_how_bases_are_looked_up(self) -> None:
        options = BuildOptions(image_resolve_mode="pull")
        assert compiled(base(), options=options).ops[0].source.attrs["image.resolvemode"] == "pull"

    def test_a_wrong_option_is_an_error_at_the_base(self) -> None:
        with pytest.raises(InvalidError, match="resolve mode"):
            compiled(base(), options=BuildOptions(image_resolve_mode="never"))


class TestReviewed:
    """What reviews found, so that it stays mended."""

    def test_pip_leaves_no_cache_behind_for_another_user_than_root(self) -> None:
        result = compiled(base().user("app").pip_install("six"))
        assert result.commands == ["python -m pip install --no-cache-dir six"]
        assert [mount.dest for mount in result.execs[0].mounts] == ["/"]

    def test_scratch_is_no_image_of_a_registry(self) -> None:
        with pytest.raises(InvalidError, match="scratch") as caught:
            compiled(Image.from_registry("scratch"))
        assert "from_scratch" in caught.value.hint

    @pytest.mark.parametrize("wrong", [[], 0, False, None, {}])
    def test_options_are_text_even_if_they_are_empty(self, wrong: object) -> None:
        with pytest.raises(InvalidTypeError):
            base().pip_install("six", extra_options=wrong)  # pyright: ignore[reportArgumentType]

    def test_a_refusal_does_not_quote_a_value_that_may_be_a_secret(self) -> None:
        with pytest.raises(InvalidTypeError) as caught:
            base().run_commands("x", env={"TOKEN": b"s3cr3t"})  # pyright: ignore[reportArgumentType]
        assert "s3cr3t" not in str(caught.value)

    @pytest.mark.parametrize("value", [10**5000, "x" * 300_000], ids=["a number", "a text"])
    def test_a_refusal_is_short(self, value: object) -> None:
        with pytest.raises(InvalidError) as caught:
            base().add_local_file("f", value)  # pyright: ignore[reportArgumentType]
        assert len(str(caught.value)) < 1000

    def test_an_image_cannot_lose_its_step(self) -> None:
        image = base()
        with pytest.raises(AttributeError, match="immutable"):
            del image._step  # pyright: ignore[reportPrivateUsage]
