"""The cases of the Go program beside this file, described with `llb.graph`: one function per name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llb.graph import (
    Definition,
    Device,
    LinuxResources,
    Meta,
    Platform,
    ProgressGroup,
    ProxyEnv,
    SourceFile,
    SourceRange,
    State,
    bind,
    build,
    cache,
    copy,
    diff,
    git,
    http,
    image,
    image_blob,
    local,
    marshal,
    merge,
    mkdir,
    mkfile,
    oci_layout,
    oci_layout_blob,
    passthrough,
    remove,
    scratch,
    secret,
    secret_env,
    ssh,
    staged,
    symlink,
    tmpfs,
)

Case = Callable[[], State]
UNIQUE = "unique-of-the-build"
CASES: dict[str, Case] = {}
OPTIONS: dict[str, dict[str, Any]] = {}

DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
REPO = "https://example.org/owner/repo.git"
URL = "https://example.org/file.tar.gz?x=1&y=2"


def definition_of(name: str) -> Definition:
    """A case, marshalled as the Go program does."""
    options: dict[str, Any] = {"local_unique": UNIQUE, **OPTIONS.get(name, {})}
    return marshal(CASES[name](), **options)


def case(function: Case) -> Case:
    add(function.__name__, function)
    return function


def add(name: str, make: Case, **options: Any) -> None:
    assert name not in CASES, f"two cases named {name}"
    CASES[name] = make
    if options:
        OPTIONS[name] = options


def alpine(platform: str | Platform | None = None, **options: Any) -> State:
    return image("alpine:3.20", platform, **options)


def run(**options: Any) -> State:
    return alpine().run(["true"], **options).root


def local_context(**options: Any) -> State:
    return local("context", **options)


# -- sources -------------------------------------------------------------------------------------------------

add("image_plain", lambda: image("alpine"))
add("image_tag", alpine)
add("image_digest", lambda: image(f"alpine@{DIGEST}"))
add("image_tag_and_digest", lambda: image(f"ghcr.io/owner/name:1.2@{DIGEST}"))
add("image_registry_with_port", lambda: image("localhost:5000/a/b:c"))
add("image_legacy_domain", lambda: image("index.docker.io/debian"))
add("image_platform", lambda: alpine("linux/arm64"))
add("image_platform_variant", lambda: alpine("linux/arm/v7"))
add(
    "image_platform_windows",
    lambda: image(
        "mcr.microsoft.com/windows/nanoserver:ltsc2022",
        Platform("windows", "amd64", "", "10.0.20348", ("win32k", "other")),
    ),
)
add("image_platform_not_normalized", lambda: alpine(Platform("Linux", "x86_64", "v1")).run(["true"]).root)
add("image_resolve_default", lambda: alpine(resolve_mode="default"))
add("image_resolve_pull", lambda: alpine(resolve_mode="pull"))
add("image_resolve_local", lambda: alpine(resolve_mode="local"))
add("image_internal", lambda: alpine(record_type="internal"))
add("image_layer_limit", lambda: alpine(layer_limit=2))
add("image_layer_limit_zero", lambda: alpine(layer_limit=0))
add("image_checksum", lambda: alpine(checksum=DIGEST))
add("image_filters", lambda: alpine(filters=["label.a==b", "id!=c"]))
add(
    "image_all",
    lambda: alpine(
        "linux/s390x",
        resolve_mode="pull",
        record_type="internal",
        layer_limit=1,
        checksum=DIGEST,
        filters=["f"],
        meta=Meta("base"),
    ),
)
add("image_blob", lambda: image_blob(f"owner/name@{DIGEST}"))
add("image_blob_file", lambda: image_blob(f"owner/name@{DIGEST}", filename="f", mode=0o4640, uid=3, gid=4))
add("oci_layout_blob", lambda: oci_layout_blob(f"owner/name@{DIGEST}"))
add(
    "oci_layout_blob_all",
    lambda: oci_layout_blob(
        f"owner/name@{DIGEST}", session="sid", store="store", filename="f", mode=0o600, uid=3, gid=4
    ),
)
add("oci_layout", lambda: oci_layout(f"name@{DIGEST}"))
add(
    "oci_layout_store",
    lambda: oci_layout(f"name@{DIGEST}", "linux/arm64", session="sid", store="store", layer_limit=3),
)

add("git_https", lambda: git(REPO))
add("git_ref", lambda: git(REPO, "v1.0"))
add("git_ref_and_subdir", lambda: git(REPO, "v1.0", subdir="a/b"))
add("git_subdir", lambda: git(REPO, subdir="a"))
add("git_subdir_option", lambda: git(REPO, "main", subdir="a/b"))
add("git_subdir_cleaned", lambda: git(REPO, "main", subdir="../a//b/"))
add("git_without_scheme", lambda: git("example.org/owner/repo", "main"))
add("git_port", lambda: git("http://example.org:8080/repo.git"))
add("git_user", lambda: git("https://me:word@example.org/repo.git"))
add("git_fragment_and_query_in_url", lambda: git(REPO + "?x=y#main:dir"))
add("git_escaped_path", lambda: git("https://example.org/a%20b/r.git"))
add("git_unclean_path", lambda: git("https://example.org//a/../r.git/"))
add("git_protocol", lambda: git("git://example.org/r.git", "main"))
add(
    "git_scp",
    lambda: git("git@example.org:owner/repo.git", "main", known_ssh_hosts="example.org ssh-ed25519 AAAA"),
)
add(
    "git_ssh",
    lambda: git(
        "ssh://git@example.org:2222/owner/repo.git", known_ssh_hosts=["a b c\n", "d e f"], ssh_socket="agent"
    ),
)
add("git_auth_token", lambda: git(REPO, auth_token_secret="token"))
add("git_auth_header", lambda: git(REPO, auth_header_secret="header"))
add("git_no_auth", lambda: git(REPO, auth_token_secret="", auth_header_secret=""))
add("git_keep_dir", lambda: git(REPO, keep_git_dir=True))
add("git_checksum", lambda: git(REPO, "main", checksum="7d8a9b0"))
add("git_skip_submodules", lambda: git(REPO, skip_submodules=True))
add("git_mtime_commit", lambda: git(REPO, mtime="commit"))
add("git_mtime_checkout", lambda: git(REPO, mtime="checkout"))
add("git_fetch_by_commit", lambda: git(REPO, "main", checksum="7d8a9b0", fetch_by_commit=True))
add("git_bundle", lambda: git(REPO, checksum="7d8a9b0", bundle=f"docker-image+blob://example.org/b@{DIGEST}"))
add(
    "git_bundle_store",
    lambda: git(
        REPO,
        checksum="7d8a9b0",
        bundle=f"oci-layout+blob://b@{DIGEST}",
        bundle_session="sid",
        bundle_store="store",
    ),
)
add("git_checkout_bundle", lambda: git(REPO, checkout_bundle=True))
add("git_with_platform_and_name", lambda: git(REPO, meta=Meta("fetch"), filters=["f"]))

add("http_plain", lambda: http(URL))
add("http_checksum", lambda: http(URL, checksum=DIGEST))
add("http_filename", lambda: http(URL, filename="f.tar.gz"))
add("http_mode", lambda: http(URL, mode=0o755))
add("http_owner", lambda: http(URL, uid=1000))
add("http_group", lambda: http(URL, gid=1000))
add("http_auth", lambda: http(URL, auth_header_secret="secret"))
add("http_headers", lambda: http(URL, accept="text/plain", user_agent="me/1"))
add("http_signature", lambda: http(URL, pgp_public_key="key", pgp_signature="sig"))
add(
    "http_all",
    lambda: http(
        URL,
        checksum=DIGEST,
        filename="f",
        mode=0o644,
        uid=1,
        gid=2,
        auth_header_secret="s",
        accept="a",
        meta=Meta("download"),
        filters=["f"],
    ),
)

add("local_plain", local_context)
add("local_own_unique", lambda: local_context(unique="own"))
add("local_session", lambda: local_context(session="sid"))
add("local_session_and_unique", lambda: local_context(session="sid", unique="own"))
add("local_include", lambda: local_context(include=["a", "b/**"]))
add("local_exclude", lambda: local_context(exclude=["**", "!src", "*.pyc"]))
add("local_follow", lambda: local_context(follow=["a", "b"]))
add("local_patterns_escaped", lambda: local_context(include=['<a>&"b"\\', "\n\t\x01\u2028", "ä", ""]))
add("local_empty_patterns", lambda: local_context(include=(), exclude=[], follow=()))
add("local_hint", lambda: local_context(shared_key_hint="hint"))
add("local_differ_none", lambda: local_context(differ="none"))
add("local_differ_required", lambda: local_context(differ="metadata", differ_required=True))
add("local_metadata_only", lambda: local_context(metadata_only=True))
add("local_metadata_exceptions", lambda: local_context(metadata_only=True, metadata_exceptions=["a"]))
add(
    "local_all",
    lambda: local(
        "dockerfile",
        session="sid",
        include=["i"],
        exclude=["e"],
        follow=["f"],
        shared_key_hint="h",
        differ="none",
        differ_required=True,
        metadata_only=True,
        metadata_exceptions=["m"],
        meta=Meta("load"),
        filters=["f"],
    ),
)
add("scratch", scratch)

# -- commands ------------------------------------------------------------------------------------------------

add("exec_plain", run)
add("exec_on_scratch", lambda: scratch().run(["/bin/true"]).root)
add("exec_args", lambda: alpine().run(["sh", "-c", "echo ä 😀", ""]).root)
add(
    "exec_long_args",
    lambda: alpine().run(["a" * 127, "b" * 128, "c" * 16383, "d" * 16384, "e" * 100000]).root,
)
add(
    "exec_env_of_state",
    lambda: alpine().with_env("A", "1").with_env("B", "").with_env("C", "x=y z").run(["true"]).root,
)
add(
    "exec_env_replaced",
    lambda: alpine().with_envs({"A": "1", "B": "2"}).with_env("A", "3").run(["true"]).root,
)
add(
    "exec_env_replaced_by_same",
    lambda: alpine().with_envs([("A", "1"), ("B", "2"), ("A", "1")]).run(["true"]).root,
)
add(
    "exec_env_of_run",
    lambda: alpine().with_env("A", "1").run(["true"], env={"B": "2", "A": "3"}).root.run(["next"]).root,
)
add("exec_dir", lambda: alpine().with_dir("/a").run(["true"]).root)
add("exec_dir_relative", lambda: alpine().with_dir("a").with_dir("../b//c/").run(["true"]).root)
add("exec_dir_absolute_stays", lambda: alpine().with_dir("/a/../b/").run(["true"]).root)
add("exec_dir_empty", lambda: alpine().with_dir("/a/").with_dir("").run(["true"]).root)
add("exec_dir_of_run", lambda: alpine().with_dir("/a").run(["true"], cwd="b").root.run(["next"]).root)
add(
    "exec_user",
    lambda: alpine().with_user("me:us").run(["true"]).root.run(["true"], user="1000").root.run(["next"]).root,
)
add("exec_hostname", lambda: alpine().with_hostname("state").run(["a"]).root.run(["b"], hostname="run").root)
add(
    "exec_hosts",
    lambda: (
        alpine()
        .with_extra_hosts({"a": "1.2.3.4"})
        .run(["true"], extra_hosts=[("b", "2001:DB8::0:1"), ("a", "::ffff:5.6.7.8")])
        .root.run(["next"])
        .root
    ),
)
add(
    "exec_ulimits",
    lambda: (
        alpine()
        .with_ulimits(("nofile", 1024, 2048))
        .run(["true"], ulimits=[("core", 0, -1), ("nofile", 1, 2)])
        .root.run(["next"])
        .root
    ),
)
add(
    "exec_cgroup",
    lambda: alpine().with_cgroup_parent("/state").run(["a"]).root.run(["b"], cgroup_parent="/run").root,
)
add("exec_exit_codes", lambda: run(valid_exit_codes=[0, 1, 300]))
add("exec_exit_codes_negative", lambda: run(valid_exit_codes=[-1]))
add("exec_exit_codes_none", lambda: run(valid_exit_codes=[]))
add("exec_network_host", lambda: run(network="host"))
add(
    "exec_network_none",
    lambda: alpine().with_network("none").run(["a"]).root.run(["b"], network="sandbox").root,
)
add("exec_security_insecure", lambda: run(security="insecure"))
add(
    "exec_security_of_state",
    lambda: alpine().with_security("insecure").run(["a"]).root.run(["b"], security="sandbox").root,
)
add("exec_proxy", lambda: run(proxy=ProxyEnv("h", "s", "f", "n", "a")))
add("exec_proxy_empty", lambda: run(proxy=ProxyEnv()))
add("exec_devices", lambda: run(devices=["nvidia.com/gpu=all", Device("vendor.com/x=1", optional=True)]))
add("exec_readonly_root", lambda: alpine().run(["true"], readonly_root=True).root.run(["next"]).root)
add(
    "exec_readonly_root_output",
    lambda: alpine().run(["true"], readonly_root=True, mounts=[bind("/out", scratch())]).mounted("/out"),
)
add("exec_readonly_root_of_scratch", lambda: scratch().run(["true"], readonly_root=True).root)
add("exec_platform", lambda: alpine().run(["true"], platform="linux/arm64").root.run(["next"]).root)
add(
    "exec_platform_not_normalized",
    lambda: alpine().run(["true"], platform=Platform("linux", "aarch64", "v8")).root.run(["next"]).root,
)
add("exec_platform_of_state", lambda: alpine().with_platform("linux/arm").run(["true"]).root)
add(
    "exec_platform_of_image",
    lambda: alpine("linux/ppc64le").run(["true"]).root.file(mkdir("/a", 0o755)).run(["next"]).root,
)
add("exec_platform_of_marshal", run, platform="linux/arm/v7")
add("exec_filters", lambda: run(filters=["a"]), filters=["b", "c"])
add("exec_caps_set_path", run, caps=frozenset({"exec.meta.setsdefaultpath", "exec.meta.base"}))
add("exec_caps_without_path", run, caps=frozenset({"exec.meta.base"}))
add(
    "exec_caps_own_path",
    lambda: alpine().with_envs({"PATH": "/bin", "A": "b"}).run(["true"]).root,
    caps=frozenset[str](),
)
add(
    "exec_caps_path_and_ssh",
    lambda: alpine().with_env("A", "b").run(["true"], mounts=[ssh()]).root,
    caps=frozenset[str](),
)
add("exec_caps_windows", run, caps=frozenset[str](), platform="windows/amd64")
add(
    "exec_caps_chain",
    lambda: alpine().with_env("A", "b").run(["a"]).root.run(["b"]).root,
    caps=frozenset[str](),
)
add(
    "exec_resources",
    lambda: run(meta=Meta(linux_resources=LinuxResources(1 << 30, -1, 512, 100000, 50000, "0-3", "0"))),
)
add("exec_resources_memory", lambda: run(meta=Meta(linux_resources=LinuxResources(memory=1000))))


@case
def exec_platform_of_http() -> State:
    rootfs = http("https://example.org/rootfs").with_platform("linux/arm64")
    return rootfs.run(["true"]).root


@case
def exec_image_config() -> State:
    config = b"""{"architecture":"arm64","os":"linux","variant":"v8",
        "config":{"Env":["PATH=/bin","EMPTY=","NONE","=x","OLD=2"],"WorkingDir":"/work","User":"me"}}"""
    return alpine().with_env("OLD", "1").with_dir("/old").with_image_config(config).run(["true"]).root


@case
def exec_image_config_empty() -> State:
    return alpine().with_dir("/old").with_image_config({"config": {}}).run(["true"]).root


@case
def exec_deep_chain() -> State:
    state = alpine().with_env("A", "b")
    for i in range(300):
        state = state.run(["step", str(i)]).root
    return state


@case
def exec_chain_of_values() -> State:
    state = alpine()
    for i in range(40):
        state = state.with_env("STEP", str(i)).with_dir(f"d{i}").run(["step"]).root
    return state


# -- mounts --------------------------------------------------------------------------------------------------

SRC = local("src")
TOOLS = image("tools")


def made(*mounts: Any, **options: Any) -> Any:
    return alpine().run(["make"], mounts=mounts, **options)


add("mount_bind", lambda: made(bind("/src", SRC)).root)
add("mount_bind_output", lambda: made(bind("/src", SRC)).mounted("/src"))
add("mount_bind_source_path", lambda: made(bind("/src", SRC, source="/sub/dir")).root)
add("mount_bind_readonly", lambda: made(bind("/src", SRC, readonly=True)).root)
add(
    "mount_bind_readonly_output",
    lambda: made(bind("/src", SRC, readonly=True)).mounted("/src").run(["on source"]).root,
)
add("mount_bind_no_output", lambda: made(bind("/src", SRC, no_output=True)).root)
add("mount_content_cache_on", lambda: made(bind("/src", SRC, readonly=True, content_cache="on")).root)
add("mount_content_cache_off", lambda: made(bind("/src", SRC, content_cache="off")).root)
add("mount_content_cache_default", lambda: made(bind("/src", SRC, content_cache="default")).root)
add("mount_scratch", lambda: made(bind("/out", scratch())).mounted("/out"))


@case
def mount_several_outputs() -> State:
    command = made(bind("/z", scratch()), bind("/a", SRC), bind("/m", TOOLS, readonly=True))
    return merge([command.mounted("/z"), command.mounted("/a"), command.root])


add(
    "mount_order",
    lambda: (
        made(
            bind("/b", SRC),
            bind("/a/b", TOOLS),
            bind("/a", scratch()),
            bind("/a-b", SRC),
            bind("/ä", SRC),
            bind("/B", TOOLS),
        ).root
    ),
)
add("mount_same_input_twice", lambda: made(bind("/a", SRC), bind("/b", SRC, source="x")).root)
add("mount_root_again", lambda: made(bind("/base", alpine(), readonly=True)).root)


@case
def mount_outputs_of_one_exec() -> State:
    first = made(bind("/x", SRC), bind("/y", TOOLS))
    mounts = [
        bind("/1", first.mounted("/y")),
        bind("/2", first.mounted("/x")),
        bind("/3", first.mounted("/y")),
    ]
    return first.root.run(["next"], mounts=mounts).root


@case
def mount_output_keeps_source_values() -> State:
    source = SRC.with_env("OF", "source").with_dir("/s")
    return source.with_output_of(made(bind("/x", source)).mounted("/x")).run(["next"]).root


add(
    "mount_output_fresh_values",
    lambda: (
        alpine()
        .with_env("A", "b")
        .run(["make"], mounts=[bind("/x", SRC.with_env("OF", "source"))])
        .mounted("/x")
        .run(["next"])
        .root
    ),
)
add(
    "mount_output_platform",
    lambda: made(bind("/x", SRC), platform="linux/arm64").mounted("/x").run(["next"]).root,
)
add("mount_root_output", lambda: alpine().with_env("A", "b").run(["make"]).mounted("/").run(["next"]).root)
add("mount_cache", lambda: made(cache("/cache")).root)
add("mount_cache_private", lambda: made(cache("/cache", id="id", sharing="private")).root)
add("mount_cache_locked", lambda: made(cache("/cache", id="id", sharing="locked")).root)
add("mount_cache_source", lambda: made(cache("/cache", id="id", source=SRC, selector="sub")).root)
add("mount_cache_readonly", lambda: made(cache("/cache", id="id", source=SRC, readonly=True)).root)
add("mount_tmpfs", lambda: made(tmpfs("/tmp")).root)
add("mount_tmpfs_size", lambda: made(tmpfs("/tmp", size=64 << 20)).root)
add("mount_secret", lambda: made(secret("/run/secrets/a")).root)
add("mount_secret_all", lambda: made(secret("/s", id="id", uid=1, gid=2, mode=0o644, optional=True)).root)
add("mount_secret_owner_zero", lambda: made(secret("/s", mode=0)).root)
add("secret_env", lambda: made(secret_env=[secret_env("TOKEN")]).root)
add("secret_env_all", lambda: made(secret_env("TOKEN", id="id", optional=True)).root)
add("secret_env_and_file", lambda: made(secret("/s", id="id"), secret_env("TOKEN", id="id")).root)
add("mount_ssh", lambda: made(ssh()).root.run(["next"]).root)
add("mount_ssh_all", lambda: made(ssh("/agent", id="id", uid=1, gid=2, mode=0o666, optional=True)).root)
add("mount_ssh_two", lambda: made(ssh("/a", id="a"), ssh(id="b")).root)
add(
    "mount_ssh_own_env",
    lambda: alpine().with_env("SSH_AUTH_SOCK", "/mine").run(["make"], mounts=[ssh()]).root,
)
add(
    "mount_all_kinds",
    lambda: (
        made(
            ssh(),
            secret("/z"),
            secret_env("E"),
            bind("/y", SRC),
            tmpfs("/x"),
            cache("/w", id="w", sharing="locked"),
            bind("/v", TOOLS, readonly=True, source="/bin"),
            devices=["a/b=c"],
            proxy=ProxyEnv(no_proxy="x"),
            network="host",
            security="insecure",
            env={"K": "v"},
            user="u",
            cwd="d",
            valid_exit_codes=[1],
            platform="linux/arm64",
            meta=Meta("all", ignore_cache=True, linux_resources=LinuxResources(memory=5)),
        ).root
    ),
)

# -- file actions --------------------------------------------------------------------------------------------

SECOND = 10**9


def file(*actions: Any, **options: Any) -> State:
    return alpine().file(*actions, **options)


add("mkdir", lambda: file(mkdir("/a", 0o755)))
add("mkdir_parents", lambda: file(mkdir("/a/b", 0o700, parents=True)))
add("mkdir_relative", lambda: alpine().with_dir("/work").file(mkdir("a/../b", 0o755)))
add("mkdir_on_scratch", lambda: scratch().file(mkdir("a", 0o755)))
add("mkdir_mode_masked", lambda: file(mkdir("/a", 0o4755)))
add("mkdir_mode_zero", lambda: file(mkdir("/a", 0)))
add("mkdir_owner_and_time", lambda: file(mkdir("/a", 0o755, owner="me:us", created_time=SECOND + 5)))


def _owner(owner: str) -> Case:
    return lambda: file(mkfile("/a", 0o644, b"x", owner=owner))


for _name, _text in {
    "root": "root",
    "number": "1000",
    "user": "me",
    "user_and_group": "me:us",
    "numbers": "1000:1001",
    "root_and_group": "root:staff",
    "empty_group": "me:",
    "empty_user": ":us",
    "negative": "-1",
    "zero": "0:0",
    "group_root": "5:root",
    "too_big": "4294967296",
    "padded": "007",
    "digits_and_more": "10x",
    "two_colons": "a:b:c",
}.items():
    add(f"owner_{_name}", _owner(_text))

add("owner_uid_gid", lambda: file(mkfile("/a", 0o644, b"x", owner=(7, 8))))
add("owner_name_on_scratch", lambda: scratch().file(mkfile("/a", 0o644, b"x", owner="me:us")))
add("mkfile", lambda: file(mkfile("/a", 0o644, b"hello\x00\xff\n")))
add("mkfile_empty", lambda: file(mkfile("/a", 0o600)))
add("mkfile_time_zero", lambda: file(mkfile("/a", 0o644, b"x", created_time=0)))
add("mkfile_time_before", lambda: file(mkfile("/a", 0o644, b"x", created_time=-5 * SECOND)))
add("remove", lambda: file(remove("/a")))
add("remove_all", lambda: alpine().with_dir("/w").file(remove("a*", allow_not_found=True, wildcard=True)))
add("symlink", lambda: alpine().with_dir("/w").file(symlink("../old/", "new")))
add("symlink_all", lambda: file(symlink("/old", "/new", owner="me", created_time=10 * SECOND)))


def copied(src: str, dst: str, **options: Any) -> State:
    return alpine().file(copy(SRC, src, dst, **options))


add("copy", lambda: copied("/a", "/b"))
add("copy_follow", lambda: copied("/a", "/b", follow_symlinks=True))
add("copy_contents", lambda: copied("/a", "/b", contents_only=True))
add("copy_unpack", lambda: copied("/a", "/b", unpack=True))
add("copy_create_dest", lambda: copied("/a", "/b", create_dest=True))
add("copy_wildcard", lambda: copied("/a*", "/b", wildcard=True))
add("copy_empty_wildcard", lambda: copied("/a*", "/b", wildcard=True, empty_wildcard=True))
add("copy_include", lambda: copied("/", "/b", include=["a", "b/**"]))
add("copy_exclude", lambda: copied("/", "/b", exclude=["*.pyc", "!x"]))
add("copy_required", lambda: copied("/", "/b", include=["a"], required=["a"]))
add("copy_mode", lambda: copied("/a", "/b", mode="0755"))
add("copy_mode_zero", lambda: copied("/a", "/b", mode=0))
add("copy_mode_sticky", lambda: copied("/a", "/b", mode=0o7777))
add("copy_mode_text", lambda: copied("/a", "/b", mode="u=rwX,go=rX"))
add("copy_owner", lambda: copied("/a", "/b", owner="me:1000"))
add("copy_time", lambda: copied("/a", "/b", created_time=1700000000 * SECOND + 123))
add("copy_replace", lambda: copied("/a", "/b", always_replace=True))
add(
    "copy_all",
    lambda: copied(
        "/a",
        "/b/",
        mode="a+x",
        follow_symlinks=True,
        contents_only=True,
        include=["i"],
        exclude=["e"],
        required=["r"],
        unpack=True,
        create_dest=True,
        wildcard=True,
        empty_wildcard=True,
        always_replace=True,
        owner="1:2",
        created_time=SECOND,
    ),
)


def _paths(src: str, dst: str) -> Case:
    return lambda: alpine().with_dir("/work/dir").file(copy(SRC.with_dir("/from"), src, dst))


for _name, _from, _to in (
    ("to_directory", "/a", "/b/"),
    ("to_dot", "/a", "/b/."),
    ("to_root", "/a", "/"),
    ("to_root_dot", "/a", "/."),
    ("to_here", "/a", "."),
    ("to_here_slash", "/a", "./"),
    ("relative", "a", "b"),
    ("relative_up", "../a", "../../b"),
    ("unclean", "//a/../c/", "/x//y/../z"),
    ("empty", "", ""),
    ("directory_source", "/a/", "/b"),
    ("to_double_slash", "/a", "b//"),
):
    add(f"copy_path_{_name}", _paths(_from, _to))

OTHER = image("other")
THIRD = http("https://example.org/f")
STAGE = (mkdir("/s", 0o755), mkfile("s/f", 0o644, b"f"))

add("copy_from_scratch", lambda: alpine().file(copy(scratch(), "/a", "/b")))
add("copy_to_scratch", lambda: scratch().file(copy(SRC, "/a", "/b")))
add("copy_scratch_to_scratch", lambda: scratch().file(copy(scratch(), "/a", "/b")))


@case
def copy_from_itself() -> State:
    state = alpine()
    return state.file(copy(state, "/a", "/b"))


add("copy_from_equal_base", lambda: alpine().file(copy(alpine(), "/a", "/b")))
add("copy_owner_name_on_scratch", lambda: scratch().file(copy(SRC, "/a", "/b", owner="me")))
add(
    "actions_several",
    lambda: (
        alpine()
        .with_dir("/w")
        .file(
            mkdir("a", 0o755),
            mkfile("a/f", 0o600, b"1"),
            symlink("f", "/w/a/l"),
            remove("b"),
            copy(SRC, "x", "y"),
        )
    ),
)
add(
    "actions_copy_sources",
    lambda: file(
        copy(SRC, "/1", "/1"), copy(OTHER, "/2", "/2"), copy(THIRD, "/3", "/3"), copy(SRC, "/4", "/4")
    ),
)
add(
    "actions_copy_sources_in_turn",
    lambda: scratch().file(
        copy(OTHER, "/1", "/1"), mkdir("/d", 0o755), copy(scratch(), "/", "/"), copy(SRC, "/2", "/2")
    ),
)
add("actions_owner_by_name_later", lambda: file(copy(SRC, "/1", "/1"), mkdir("/d", 0o755, owner="me")))
add(
    "actions_keep_values",
    lambda: alpine().with_env("A", "b").with_dir("/w").file(mkdir("d", 0o755)).run(["true"]).root,
)
add("staged", lambda: file(mkdir("/a", 0o755), copy(staged(scratch().with_dir("/from"), *STAGE), "s", "/b")))
add("staged_with_base", lambda: file(copy(staged(OTHER, *STAGE), "/s", "/b"), copy(SRC, "/", "/c")))


@case
def staged_twice() -> State:
    stage = staged(OTHER, *STAGE)
    return scratch().file(
        copy(stage, "/s", "/1"), copy(stage, "/s", "/2"), copy(staged(OTHER, *STAGE), "/s", "/3")
    )


@case
def staged_in_staged() -> State:
    inner = staged(THIRD, mkfile("/i", 0o644, b"i", owner="me"))
    outer = staged(OTHER, mkdir("/o", 0o755), copy(inner, "/i", "/o/i"))
    return file(copy(outer, "/o", "/"), copy(SRC, "/", "/"))


add("file_platform_ignored", lambda: file(mkdir("/a", 0o755)).run(["true"]).root)
add(
    "file_described",
    lambda: file(
        mkdir("/a", 0o755),
        filters=["f"],
        meta=Meta("dir", ignore_cache=True, linux_resources=LinuxResources(memory=5)),
    ),
)

# -- merge, diff, passthrough, build -------------------------------------------------------------------------

A, B, C = image("a"), image("b"), local("c")

add("merge_two", lambda: merge([A, B]))
add("merge_three", lambda: merge([A, B, C]))
add("merge_with_scratch", lambda: merge([scratch(), A, scratch(), B]))
add("merge_same_twice", lambda: merge([A, A]))
add("merge_equal", lambda: merge([A, image("a"), B, A]))
add("merge_of_one", lambda: merge([scratch(), A]))
add("merge_of_scratch", lambda: merge([scratch(), scratch()]))
add(
    "merge_keeps_first_values",
    lambda: (
        merge([scratch().with_env("NO", "1"), A.with_env("A", "1").with_dir("/d"), B.with_env("B", "1")])
        .run(["true"])
        .root
    ),
)
add("merge_described", lambda: merge([A, B], filters=["f"], meta=Meta("merged")))
add("merge_nested", lambda: merge([merge([A, B]), merge([B, C])]))
add("merge_wide", lambda: merge([A.run(["branch", str(i)]).root for i in range(200)]))


@case
def merge_outputs() -> State:
    command = A.run(["x"], mounts=[bind("/m", B)])
    return merge([command.mounted("/m"), command.root, command.mounted("/m")])


add("diff", lambda: diff(A, A.run(["true"]).root))
add("diff_scratch_lower", lambda: diff(scratch(), B))
add("diff_scratch_upper", lambda: diff(A, scratch()))
add("diff_scratch", lambda: diff(scratch(), scratch()))
add("diff_same", lambda: diff(A, A))
add("diff_keeps_lower_values", lambda: diff(A.with_env("A", "1"), B.with_env("B", "1")).run(["true"]).root)
add("diff_described", lambda: diff(A, B, filters=["f"], meta=Meta("difference")))
add("diff_merged", lambda: merge([A, diff(B, B.run(["1"]).root), diff(B, B.run(["2"]).root)]))
add("passthrough", lambda: passthrough("id", [A])[0])
add(
    "passthrough_requires",
    lambda: passthrough("id", [A.with_env("A", "b")], requires=[B, scratch(), C])[0].run(["true"]).root,
)


@case
def passthrough_outputs() -> State:
    first, second = passthrough("id", [A, B], requires=[C], filters=["f"], meta=Meta("p"))
    return merge([second, first])


add("passthrough_same_twice", lambda: passthrough("id", [A], requires=[A, A])[0])
add("build", lambda: build(A))
add("build_filename", lambda: build(A.with_env("A", "b"), filename="def.pb").run(["true"]).root)
add("build_described", lambda: build(A, platform="linux/arm64", filters=["f"], meta=Meta("b")))


@case
def graph_diamond() -> State:
    base = A.run(["base"]).root
    left, right = base.run(["left"]).root, base.run(["right"]).root
    return left.file(copy(right, "/", "/"))


add(
    "graph_equal_vertices",
    lambda: merge(
        [
            image("x").run(["same"]).root,
            image("x").run(["same"]).root,
            image("x").run(["other"]).root,
        ]
    ),
)


@case
def graph_order() -> State:
    p, q = image("p"), image("q")
    one = p.file(copy(q, "/", "/1"), copy(image("r"), "/", "/2"))
    two = q.run(["x"], mounts=[bind("/b", one), bind("/a", image("s")), bind("/c", p)]).root
    return merge([two, one, p])


@case
def graph_ladder() -> State:
    left, right = A, B
    for i in range(30):
        left, right = left.file(copy(right, "/", f"/l{i}")), right.file(copy(left, "/", f"/r{i}"))
    return merge([left, right])


add(
    "state_with_output",
    lambda: B.with_env("B", "1").with_dir("/b").with_output_of(alpine("linux/arm64")).run(["true"]).root,
)

# -- metadata and source lines -------------------------------------------------------------------------------

FILE = SourceFile("image.py", b"from llb import Image\n\nimage = 1\n")
SAME = SourceFile("image.py", b"from llb import Image\n\nimage = 1\n")
OTHER_FILE = SourceFile("other.py", b"x = 1\n")
GROUP = ProgressGroup("i", "n")


def at(file: SourceFile, *lines: int, **options: Any) -> Meta:
    return Meta(locations=tuple([SourceRange(file, line) for line in lines]), **options)


add("meta_name", lambda: alpine(meta=Meta("a <b>")))
add("meta_description", lambda: alpine(meta=Meta("n", {"z": "1", "a": "", "m": "ä"})))
add("meta_ignore_cache", lambda: alpine(meta=Meta(ignore_cache=True)).run(["true"]).root)
add("meta_export_cache", lambda: alpine(meta=Meta(export_cache=True)))
add("meta_no_export_cache", lambda: alpine(meta=Meta(export_cache=False)))
add("meta_default_export_cache", lambda: alpine(meta=Meta(export_cache=None)))
add(
    "meta_progress_group",
    lambda: (
        alpine(meta=Meta(progress_group=ProgressGroup("id", "group")))
        .run(["true"], meta=Meta(progress_group=ProgressGroup("id", "group", weak=True)))
        .root
    ),
)
add(
    "meta_all",
    lambda: alpine(
        meta=Meta(
            "n",
            ignore_cache=True,
            export_cache=True,
            progress_group=ProgressGroup("id", "", weak=True),
            linux_resources=LinuxResources(memory=1),
        )
    ),
)
add("meta_of_marshal", run, meta=Meta(ignore_cache=True, export_cache=True, progress_group=GROUP))
add(
    "meta_of_equal_vertices",
    lambda: merge(
        [
            image("x", meta=Meta("first", {"only": "first"}, export_cache=True)),
            image("x", meta=Meta("second", ignore_cache=True, progress_group=GROUP)),
            image("x", meta=Meta(export_cache=False)),
        ]
    ),
)
add("source_map", lambda: alpine(meta=at(FILE, 3)))
add("source_map_ranges", lambda: alpine(meta=at(FILE, 1, 3)))
add("source_map_characters", lambda: alpine(meta=Meta(locations=(SourceRange(FILE, 1, 3, 2, 4),))))
add(
    "source_map_files",
    lambda: alpine(
        meta=Meta(locations=(SourceRange(FILE, 1), SourceRange(OTHER_FILE, 1), SourceRange(FILE, 2)))
    ),
)
add(
    "source_map_each_op",
    lambda: diff(
        alpine(),
        merge(
            [
                local("c", meta=at(OTHER_FILE, 1)).file(mkdir("/a", 0o755), meta=at(FILE, 2)),
                alpine(meta=at(FILE, 1)).run(["true"], meta=at(FILE, 3)).root,
            ],
            meta=at(OTHER_FILE, 4),
        ),
        meta=at(FILE, 5),
    ),
)
add("source_map_equal_files", lambda: alpine(meta=at(FILE, 1)).run(["true"], meta=at(SAME, 2)).root)
add(
    "source_map_equal_vertices",
    lambda: merge([image("x", meta=at(FILE, 1)), image("x", meta=at(OTHER_FILE, 2))]),
)
add(
    "source_map_language",
    lambda: alpine(meta=at(SourceFile("Dockerfile", b"FROM alpine", "Dockerfile"), 1)),
)


@case
def source_map_definition() -> State:
    loaded = marshal(local("dockerfile", session="s"))
    return alpine(meta=at(SourceFile("d/image.py", b"x", definition=loaded), 1))


# -- definitions within definitions --------------------------------------------------------------------------

DOCKERFILE = SourceFile("Dockerfile", b"FROM a\nRUN b\n", "Dockerfile")


def embedded(state: State, **options: Any) -> State:
    definition = marshal(state, local_unique=UNIQUE, **options)
    return Definition.from_bytes(definition.to_bytes()).state()


def inner() -> State:
    base = alpine(meta=at(DOCKERFILE, 1)).with_env("A", "b")
    meta = at(DOCKERFILE, 2, name="[2/2] RUN b", ignore_cache=True)
    return base.run(["inner"], mounts=[bind("/m", local("c"))], meta=meta).root


add("embed_alone", lambda: embedded(inner()))
add("embed_scratch_over", lambda: embedded(scratch().file(mkdir("/a", 0o755))))
add("embed_and_run", lambda: embedded(inner()).run(["outer"]).root)
add("embed_platform", lambda: embedded(inner(), platform="linux/arm64").run(["outer"]).root)
add(
    "embed_file_has_no_platform",
    lambda: embedded(alpine("linux/arm64").file(mkdir("/a", 0o755))).run(["outer"]).root,
)
add(
    "embed_other_output",
    lambda: embedded(alpine().run(["x"], mounts=[bind("/m", scratch())]).mounted("/m")).run(["outer"]).root,
)


@case
def embed_with_known_vertices() -> State:
    known = inner()
    return merge([known, embedded(known), embedded(alpine()).run(["more"]).root])


@case
def embed_several_outputs() -> State:
    command = alpine().run(["x"], mounts=[bind("/m", scratch()), bind("/n", local("c"))])
    return embedded(
        merge([command.mounted("/m"), command.root, command.mounted("/n"), command.mounted("/m")])
    )


add(
    "embed_order_of_sources",
    lambda: embedded(file(*[copy(image(str(i)), f"/{i}", f"/{i}") for i in (1, 2, 3)])),
)
add(
    "embed_in_embed",
    lambda: embedded(embedded(inner()).file(mkdir("/a", 0o755))).run(["outer"], meta=at(DOCKERFILE, 1)).root,
)


@case
def embed_sources_shifted() -> State:
    meta = Meta(locations=(SourceRange(SourceFile("image.py", b"x"), 9, 10),))
    return merge([image("first", meta=meta), embedded(inner()).run(["outer"], meta=meta).root])


@case
def embed_metadata_kept() -> State:
    meta = Meta(description={"k": "v"}, export_cache=True, progress_group=ProgressGroup("i", "n", weak=True))
    resources = Meta(linux_resources=LinuxResources(memory=3))
    return embedded(image("x", meta=meta)).run(["outer"], meta=resources).root


@case
def embed_as_mounts() -> State:
    files = embedded(scratch().file(mkfile("/f", 0o644, b"x")))
    mounts = [bind("/m", files, readonly=True), bind("/n", embedded(inner()))]
    return alpine().run(["outer"], mounts=mounts).root


# -- graphs that nobody thought of ---------------------------------------------------------------------------


def _numbers(seed: int) -> Callable[[int], int]:
    """The same arbitrary numbers on both sides."""
    x = seed

    def number(below: int) -> int:
        nonlocal x
        x = (x * 1103515245 + 12345) % (1 << 31)
        return (x >> 12) % below

    return number


def _arbitrary(seed: int) -> State:
    """Each step builds on any of those before it."""
    number = _numbers(seed)
    files = (SourceFile("a.py", b"a"), SourceFile("b.py", b"b"))
    states = [scratch(), image("alpine"), local("context", exclude=["*.pyc"])]
    for i in range(5 + number(40)):
        kind = number(16)
        one, two, three = [states[number(len(states))] for _ in range(3)]
        lines = [SourceRange(files[number(2)], i + 1)] if number(3) == 0 else []
        meta = Meta(f"step {i}", locations=lines)
        states.append(_step(kind, i, number, (one, two, three), meta))
    return merge([*states, states[-1]])


def _step(
    kind: int, i: int, number: Callable[[int], int], inputs: tuple[State, State, State], meta: Meta
) -> State:
    one, two, three = inputs

    def command(**options: Any) -> Any:
        return one.run(["step", str(number(4))], meta=meta, **options)

    match kind:
        case 0:
            return command().root
        case 1:
            mounts = [bind("/two", two), bind("/b", three), bind("/a", scratch())]
            return command(mounts=mounts).mounted("/two")
        case 2:
            return one.with_env(f"K{number(3)}", str(i)).with_dir(f"d{number(3)}")
        case 3:
            first = copy(two, "a", "b/", owner="me:1")
            return one.file(first, mkdir("/d", 0o755), copy(three, "x", "y"), meta=meta)
        case 4:
            return one.file(mkfile("f", 0o644, b"x"), symlink("f", "l"), remove("x"), meta=meta)
        case 5:
            return merge([one, two, three], meta=meta)
        case 6:
            return diff(one, two, meta=meta)
        case 7:
            return one.with_platform("linux/arm64").with_user("me")
        case 8:
            return image(f"image{number(3)}", meta=Meta(f"image {i}"))
        case 9:
            mounts = [bind("/two", two, readonly=True, source="/s")]
            return command(mounts=mounts, env={"E": "1"}, readonly_root=True).mounted("/two")
        case 10:
            return one.with_output_of(two)
        case 11:
            return command(network="host", platform="linux/arm/v7", mounts=[bind("/m", two)]).root
        case 12:
            return command(platform="linux/s390x", mounts=[bind("/m", two)]).mounted("/m")
        case 13:
            stage = staged(two, mkdir("/s", 0o755), copy(three, "/", "/s", owner="me"))
            return one.file(copy(stage, "s", "/1"), copy(two, "/", "/2"), copy(stage, "s", "/3"), meta=meta)
        case 14:
            return two if one.vertex is None else passthrough("id", [one], requires=[two, three])[0]
        case _:
            return one if one.vertex is None else embedded(one)


def _arbitrary_case(seed: int) -> Case:
    return lambda: _arbitrary(seed)


for _seed in range(40):
    add(f"arbitrary_{_seed}", _arbitrary_case(_seed))
