package main

import (
	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const dgst = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func alpine(opts ...llb.ImageOption) llb.State { return llb.Image("alpine:3.20", opts...) }

func command(words ...string) llb.RunOption { return llb.Args(words) }

func sources() {
	add("image_plain", llb.Image("alpine"))
	add("image_tag", alpine())
	add("image_digest", llb.Image("alpine@"+dgst))
	add("image_tag_and_digest", llb.Image("ghcr.io/owner/name:1.2@"+dgst))
	add("image_registry_with_port", llb.Image("localhost:5000/a/b:c"))
	add("image_legacy_domain", llb.Image("index.docker.io/debian"))
	add("image_platform", alpine(llb.LinuxArm64))
	add("image_platform_variant", alpine(llb.LinuxArmhf))
	add("image_platform_windows", llb.Image("mcr.microsoft.com/windows/nanoserver:ltsc2022", llb.Platform(ocispecs.Platform{
		OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348", OSFeatures: []string{"win32k", "other"},
	})))
	add("image_platform_not_normalized", alpine(llb.Platform(ocispecs.Platform{OS: "Linux", Architecture: "x86_64", Variant: "v1"})).
		Run(command("true")).Root())
	add("image_resolve_default", alpine(llb.ResolveModeDefault))
	add("image_resolve_pull", alpine(llb.ResolveModeForcePull))
	add("image_resolve_local", alpine(llb.ResolveModePreferLocal))
	add("image_internal", alpine(llb.MarkImageInternal))
	add("image_layer_limit", alpine(llb.WithLayerLimit(2)))
	add("image_layer_limit_zero", alpine(llb.WithLayerLimit(0)))
	add("image_checksum", alpine(llb.WithImageChecksum(dgst)))
	add("image_filters", alpine(llb.Require("label.a==b", "id!=c")))
	add("image_all", alpine(llb.ResolveModeForcePull, llb.MarkImageInternal, llb.WithLayerLimit(1), llb.WithImageChecksum(dgst),
		llb.LinuxS390x, llb.Require("f"), llb.WithCustomName("base")))

	add("image_blob", llb.ImageBlob("owner/name@"+dgst))
	add("image_blob_file", llb.ImageBlob("owner/name@"+dgst, llb.Filename("f"), llb.Chmod(0o4640), llb.Chown(3, 4)))
	add("oci_layout_blob", llb.OCILayoutBlob("owner/name@"+dgst))
	add("oci_layout_blob_all", llb.OCILayoutBlob("owner/name@"+dgst, llb.ImageBlobOCIStore("sid", "store"), llb.Filename("f"),
		llb.Chmod(0o600), llb.Chown(3, 4)))
	add("oci_layout", llb.OCILayout("name@"+dgst))
	add("oci_layout_store", llb.OCILayout("name@"+dgst, llb.OCIStore("sid", "store"), llb.OCILayerLimit(3), llb.LinuxArm64))

	const repo = "https://example.org/owner/repo.git"
	add("git_https", llb.Git(repo, ""))
	add("git_ref", llb.Git(repo, "v1.0"))
	add("git_ref_and_subdir", llb.Git(repo, "v1.0:a/b"))
	add("git_subdir", llb.Git(repo, ":a"))
	add("git_subdir_option", llb.Git(repo, "main", llb.GitSubDir("a/b")))
	add("git_subdir_cleaned", llb.Git(repo, "main:../a//b/"))
	add("git_without_scheme", llb.Git("example.org/owner/repo", "main"))
	add("git_port", llb.Git("http://example.org:8080/repo.git", ""))
	add("git_user", llb.Git("https://me:word@example.org/repo.git", ""))
	add("git_fragment_and_query_in_url", llb.Git(repo+"?x=y#main:dir", ""))
	add("git_escaped_path", llb.Git("https://example.org/a%20b/r.git", ""))
	add("git_unclean_path", llb.Git("https://example.org//a/../r.git/", ""))
	add("git_protocol", llb.Git("git://example.org/r.git", "main"))
	add("git_scp", llb.Git("git@example.org:owner/repo.git", "main", llb.KnownSSHHosts("example.org ssh-ed25519 AAAA")))
	add("git_ssh", llb.Git("ssh://git@example.org:2222/owner/repo.git", "", llb.KnownSSHHosts("a b c\n"), llb.KnownSSHHosts("d e f"),
		llb.MountSSHSock("agent")))
	add("git_auth_token", llb.Git(repo, "", llb.AuthTokenSecret("token")))
	add("git_auth_header", llb.Git(repo, "", llb.AuthHeaderSecret("header")))
	add("git_no_auth", llb.Git(repo, "", llb.AuthTokenSecret(""), llb.AuthHeaderSecret("")))
	add("git_keep_dir", llb.Git(repo, "", llb.KeepGitDir()))
	add("git_checksum", llb.Git(repo, "main", llb.GitChecksum("7d8a9b0")))
	add("git_skip_submodules", llb.Git(repo, "", llb.GitSkipSubmodules()))
	add("git_mtime_commit", llb.Git(repo, "", llb.GitMTimeCommit()))
	add("git_mtime_checkout", llb.Git(repo, "", llb.GitMTime("checkout")))
	add("git_fetch_by_commit", llb.Git(repo, "main", llb.GitChecksum("7d8a9b0"), llb.GitFetchByCommit()))
	add("git_bundle", llb.Git(repo, "", llb.GitChecksum("7d8a9b0"), llb.GitBundleURL("docker-image+blob://example.org/b@"+dgst)))
	add("git_bundle_store", llb.Git(repo, "", llb.GitChecksum("7d8a9b0"),
		llb.GitBundleURL("oci-layout+blob://b@"+dgst, llb.GitBundleOCIStore("sid", "store"))))
	add("git_checkout_bundle", llb.Git(repo, "", llb.GitCheckoutBundle()))
	add("git_with_platform_and_name", llb.Git(repo, "", llb.WithCustomName("fetch"), llb.Require("f")))

	const url = "https://example.org/file.tar.gz?x=1&y=2"
	add("http_plain", llb.HTTP(url))
	add("http_checksum", llb.HTTP(url, llb.Checksum(dgst)))
	add("http_filename", llb.HTTP(url, llb.Filename("f.tar.gz")))
	add("http_mode", llb.HTTP(url, llb.Chmod(0o755)))
	add("http_owner", llb.HTTP(url, llb.Chown(1000, 0)))
	add("http_group", llb.HTTP(url, llb.Chown(0, 1000)))
	add("http_auth", llb.HTTP(url, llb.AuthHeaderSecret("secret")))
	add("http_headers", llb.HTTP(url, llb.Header(llb.HTTPHeader{Accept: "text/plain", UserAgent: "me/1"})))
	add("http_signature", llb.HTTP(url, llb.VerifyPGPSignature(llb.HTTPSignatureInfo{PubKey: []byte("key"), Signature: []byte("sig")})))
	add("http_all", llb.HTTP(url, llb.Checksum(dgst), llb.Filename("f"), llb.Chmod(0o644), llb.Chown(1, 2), llb.AuthHeaderSecret("s"),
		llb.Header(llb.HTTPHeader{Accept: "a"}), llb.WithCustomName("download"), llb.Require("f")))

	add("local_plain", llb.Local("context"))
	add("local_own_unique", llb.Local("context", llb.LocalUniqueID("own")))
	add("local_session", llb.Local("context", llb.SessionID("sid")))
	add("local_session_and_unique", llb.Local("context", llb.SessionID("sid"), llb.LocalUniqueID("own")))
	add("local_include", llb.Local("context", llb.IncludePatterns([]string{"a", "b/**"})))
	add("local_exclude", llb.Local("context", llb.ExcludePatterns([]string{"**", "!src", "*.pyc"})))
	add("local_follow", llb.Local("context", llb.FollowPaths([]string{"a", "b"})))
	add("local_patterns_escaped", llb.Local("context", llb.IncludePatterns([]string{"<a>&\"b\"\\", "\n\t\x01\u2028", "\u00e4", ""})))
	add("local_empty_patterns", llb.Local("context", llb.IncludePatterns(nil), llb.ExcludePatterns([]string{}), llb.FollowPaths(nil)))
	add("local_hint", llb.Local("context", llb.SharedKeyHint("hint")))
	add("local_differ_none", llb.Local("context", llb.Differ(llb.DiffNone, false)))
	add("local_differ_required", llb.Local("context", llb.Differ(llb.DiffMetadata, true)))
	add("local_metadata_only", llb.Local("context", llb.MetadataOnlyTransfer(nil)))
	add("local_metadata_exceptions", llb.Local("context", llb.MetadataOnlyTransfer([]string{"a"})))
	add("local_all", llb.Local("dockerfile", llb.SessionID("sid"), llb.IncludePatterns([]string{"i"}), llb.ExcludePatterns([]string{"e"}),
		llb.FollowPaths([]string{"f"}), llb.SharedKeyHint("h"), llb.Differ(llb.DiffNone, true), llb.MetadataOnlyTransfer([]string{"m"}),
		llb.WithCustomName("load"), llb.Require("f")))
	add("scratch", llb.Scratch())
}
