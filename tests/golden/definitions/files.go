package main

import (
	"time"

	"github.com/moby/buildkit/client/llb"
)

func files() {
	file := func(a *llb.FileAction) llb.State { return alpine().File(a) }
	add("mkdir", file(llb.Mkdir("/a", 0o755)))
	add("mkdir_parents", file(llb.Mkdir("/a/b", 0o700, llb.WithParents(true))))
	add("mkdir_relative", alpine().Dir("/work").File(llb.Mkdir("a/../b", 0o755)))
	add("mkdir_on_scratch", llb.Scratch().File(llb.Mkdir("a", 0o755)))
	add("mkdir_mode_masked", file(llb.Mkdir("/a", 0o4755)))
	add("mkdir_mode_zero", file(llb.Mkdir("/a", 0)))
	add("mkdir_owner_and_time", file(llb.Mkdir("/a", 0o755, llb.WithUser("me:us"), llb.WithCreatedTime(time.Unix(1, 5)))))
	for name, owner := range map[string]string{
		"root": "root", "number": "1000", "user": "me", "user_and_group": "me:us", "numbers": "1000:1001", "root_and_group": "root:staff",
		"empty_group": "me:", "empty_user": ":us", "negative": "-1", "zero": "0:0", "group_root": "5:root", "too_big": "4294967296",
		"padded": "007", "digits_and_more": "10x", "two_colons": "a:b:c",
	} {
		add("owner_"+name, file(llb.Mkfile("/a", 0o644, []byte("x"), llb.WithUser(owner))))
	}
	add("owner_uid_gid", file(llb.Mkfile("/a", 0o644, []byte("x"), llb.WithUIDGID(7, 8))))
	add("owner_name_on_scratch", llb.Scratch().File(llb.Mkfile("/a", 0o644, []byte("x"), llb.WithUser("me:us"))))
	add("mkfile", file(llb.Mkfile("/a", 0o644, []byte("hello\x00\xff\n"))))
	add("mkfile_empty", file(llb.Mkfile("/a", 0o600, nil)))
	add("mkfile_time_zero", file(llb.Mkfile("/a", 0o644, []byte("x"), llb.WithCreatedTime(time.Unix(0, 0)))))
	add("mkfile_time_before", file(llb.Mkfile("/a", 0o644, []byte("x"), llb.WithCreatedTime(time.Unix(-5, 0)))))
	add("remove", file(llb.Rm("/a")))
	add("remove_all", alpine().Dir("/w").File(llb.Rm("a*", llb.WithAllowNotFound(true), llb.WithAllowWildcard(true))))
	add("symlink", alpine().Dir("/w").File(llb.Symlink("../old/", "new")))
	add("symlink_all", file(llb.Symlink("/old", "/new", llb.WithUser("me"), llb.WithCreatedTime(time.Unix(10, 0)))))

	src := llb.Local("src")
	cp := func(from, to string, opts ...llb.CopyOption) llb.State {
		return alpine().File(llb.Copy(src, from, to, opts...))
	}
	add("copy", cp("/a", "/b"))
	add("copy_follow", cp("/a", "/b", &llb.CopyInfo{FollowSymlinks: true}))
	add("copy_contents", cp("/a", "/b", &llb.CopyInfo{CopyDirContentsOnly: true}))
	add("copy_unpack", cp("/a", "/b", &llb.CopyInfo{AttemptUnpack: true}))
	add("copy_create_dest", cp("/a", "/b", &llb.CopyInfo{CreateDestPath: true}))
	add("copy_wildcard", cp("/a*", "/b", &llb.CopyInfo{AllowWildcard: true}))
	add("copy_empty_wildcard", cp("/a*", "/b", &llb.CopyInfo{AllowWildcard: true, AllowEmptyWildcard: true}))
	add("copy_include", cp("/", "/b", &llb.CopyInfo{IncludePatterns: []string{"a", "b/**"}}))
	add("copy_exclude", cp("/", "/b", llb.WithExcludePatterns([]string{"*.pyc", "!x"})))
	add("copy_required", cp("/", "/b", &llb.CopyInfo{IncludePatterns: []string{"a"}, RequiredPaths: []string{"a"}}))
	add("copy_mode", cp("/a", "/b", llb.ChmodOpt{Mode: 0o755}))
	add("copy_mode_zero", cp("/a", "/b", llb.ChmodOpt{Mode: 0}))
	add("copy_mode_sticky", cp("/a", "/b", llb.ChmodOpt{Mode: 0o7777}))
	add("copy_mode_text", cp("/a", "/b", llb.ChmodOpt{ModeStr: "u=rwX,go=rX"}))
	add("copy_owner", cp("/a", "/b", llb.WithUser("me:1000")))
	add("copy_time", cp("/a", "/b", llb.WithCreatedTime(time.Unix(1700000000, 123))))
	add("copy_replace", cp("/a", "/b", &llb.CopyInfo{AlwaysReplaceExistingDestPaths: true}))
	add("copy_all", cp("/a", "/b/", &llb.CopyInfo{Mode: &llb.ChmodOpt{ModeStr: "a+x"}, FollowSymlinks: true, CopyDirContentsOnly: true,
		IncludePatterns: []string{"i"}, ExcludePatterns: []string{"e"}, RequiredPaths: []string{"r"}, AttemptUnpack: true, CreateDestPath: true,
		AllowWildcard: true, AllowEmptyWildcard: true, AlwaysReplaceExistingDestPaths: true}, llb.WithUser("1:2"), llb.WithCreatedTime(time.Unix(1, 0))))
	for name, paths := range map[string][2]string{
		"to_directory": {"/a", "/b/"}, "to_dot": {"/a", "/b/."}, "to_root": {"/a", "/"}, "to_root_dot": {"/a", "/."}, "to_here": {"/a", "."},
		"to_here_slash": {"/a", "./"}, "relative": {"a", "b"}, "relative_up": {"../a", "../../b"}, "unclean": {"//a/../c/", "/x//y/../z"},
		"empty": {"", ""}, "directory_source": {"/a/", "/b"}, "to_double_slash": {"/a", "b//"},
	} {
		add("copy_path_"+name, alpine().Dir("/work/dir").File(llb.Copy(src.Dir("/from"), paths[0], paths[1])))
	}
	add("copy_from_scratch", alpine().File(llb.Copy(llb.Scratch(), "/a", "/b")))
	add("copy_to_scratch", llb.Scratch().File(llb.Copy(src, "/a", "/b")))
	add("copy_scratch_to_scratch", llb.Scratch().File(llb.Copy(llb.Scratch(), "/a", "/b")))
	add("copy_from_itself", func() llb.State { st := alpine(); return st.File(llb.Copy(st, "/a", "/b")) }())
	add("copy_from_equal_base", alpine().File(llb.Copy(alpine(), "/a", "/b")))
	add("copy_owner_name_on_scratch", llb.Scratch().File(llb.Copy(src, "/a", "/b", llb.WithUser("me"))))
	other := llb.Image("other")
	third := llb.HTTP("https://example.org/f")
	add("actions_several", alpine().Dir("/w").File(llb.Mkdir("a", 0o755).Mkfile("a/f", 0o600, []byte("1")).Symlink("f", "/w/a/l").Rm("b").
		Copy(src, "x", "y")))
	add("actions_copy_sources", alpine().File(llb.Copy(src, "/1", "/1").Copy(other, "/2", "/2").Copy(third, "/3", "/3").Copy(src, "/4", "/4")))
	add("actions_copy_sources_in_turn", llb.Scratch().File(llb.Copy(other, "/1", "/1").Mkdir("/d", 0o755).Copy(llb.Scratch(), "/", "/").
		Copy(src, "/2", "/2")))
	add("actions_owner_by_name_later", alpine().File(llb.Copy(src, "/1", "/1").Mkdir("/d", 0o755, llb.WithUser("me"))))
	add("actions_keep_values", alpine().AddEnv("A", "b").Dir("/w").File(llb.Mkdir("d", 0o755)).Run(command("true")).Root())
	stage := llb.Mkdir("/s", 0o755).Mkfile("s/f", 0o644, []byte("f"))
	add("staged", alpine().File(llb.Mkdir("/a", 0o755).Copy(stage.WithState(llb.Scratch().Dir("/from")), "s", "/b")))
	add("staged_with_base", alpine().File(llb.Copy(stage.WithState(other), "/s", "/b").Copy(src, "/", "/c")))
	add("staged_twice", func() llb.State {
		from := stage.WithState(other)
		return llb.Scratch().File(llb.Copy(from, "/s", "/1").Copy(from, "/s", "/2").Copy(stage.WithState(other), "/s", "/3"))
	}())
	add("staged_in_staged", func() llb.State {
		inner := llb.Mkfile("/i", 0o644, []byte("i"), llb.WithUser("me")).WithState(third)
		outer := llb.Mkdir("/o", 0o755).Copy(inner, "/i", "/o/i").WithState(other)
		return alpine().File(llb.Copy(outer, "/o", "/").Copy(src, "/", "/"))
	}())
	add("file_platform_ignored", alpine().File(llb.Mkdir("/a", 0o755), llb.LinuxArm64).Run(command("true")).Root())
	add("file_described", alpine().File(llb.Mkdir("/a", 0o755), llb.WithCustomName("dir"), llb.IgnoreCache, llb.Require("f"), llb.MemoryLimit(5)))
}
