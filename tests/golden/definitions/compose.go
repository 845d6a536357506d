package main

import (
	"fmt"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/llbbuild"
	"github.com/moby/buildkit/solver/pb"
)

func composed() {
	a, b, c := llb.Image("a"), llb.Image("b"), llb.Local("c")
	add("merge_two", llb.Merge([]llb.State{a, b}))
	add("merge_three", llb.Merge([]llb.State{a, b, c}))
	add("merge_with_scratch", llb.Merge([]llb.State{llb.Scratch(), a, llb.Scratch(), b}))
	add("merge_same_twice", llb.Merge([]llb.State{a, a}))
	add("merge_equal", llb.Merge([]llb.State{a, llb.Image("a"), b, a}))
	add("merge_of_one", llb.Merge([]llb.State{llb.Scratch(), a}))
	add("merge_of_scratch", llb.Merge([]llb.State{llb.Scratch(), llb.Scratch()}))
	add("merge_keeps_first_values", llb.Merge([]llb.State{llb.Scratch().AddEnv("NO", "1"), a.AddEnv("A", "1").Dir("/d"), b.AddEnv("B", "1")}).
		Run(command("true")).Root())
	add("merge_described", llb.Merge([]llb.State{a, b}, llb.WithCustomName("merged"), llb.Require("f"), llb.LinuxArm64))
	add("merge_nested", llb.Merge([]llb.State{llb.Merge([]llb.State{a, b}), llb.Merge([]llb.State{b, c})}))
	add("merge_wide", func() llb.State {
		var states []llb.State
		for i := range 200 {
			states = append(states, a.Run(command("branch", fmt.Sprint(i))).Root())
		}
		return llb.Merge(states)
	}())
	add("merge_outputs", func() llb.State {
		st := a.Run(command("x"), llb.AddMount("/m", b))
		return llb.Merge([]llb.State{st.GetMount("/m"), st.Root(), st.GetMount("/m")})
	}())
	add("diff", llb.Diff(a, a.Run(command("true")).Root()))
	add("diff_scratch_lower", llb.Diff(llb.Scratch(), b))
	add("diff_scratch_upper", llb.Diff(a, llb.Scratch()))
	add("diff_scratch", llb.Diff(llb.Scratch(), llb.Scratch()))
	add("diff_same", llb.Diff(a, a))
	add("diff_keeps_lower_values", llb.Diff(a.AddEnv("A", "1"), b.AddEnv("B", "1")).Run(command("true")).Root())
	add("diff_described", llb.Diff(a, b, llb.WithCustomName("difference"), llb.Require("f")))
	add("diff_merged", llb.Merge([]llb.State{a, llb.Diff(b, b.Run(command("1")).Root()), llb.Diff(b, b.Run(command("2")).Root())}))
	add("passthrough", llb.NewPassthrough("id", []llb.PassthroughInput{{State: a, Output: true}}))
	add("passthrough_requires", a.AddEnv("A", "b").Requires("id", b, llb.Scratch(), c).Run(command("true")).Root())
	add("passthrough_outputs", func() llb.State {
		op := llb.NewPassthroughOp("id", []llb.PassthroughInput{{State: a, Output: true}, {State: b, Output: true}, {State: c}},
			llb.WithCustomName("p"), llb.Require("f"))
		return llb.Merge([]llb.State{llb.NewState(op.OutputAt(1)), llb.NewState(op.OutputAt(0))})
	}())
	add("passthrough_same_twice", a.Requires("id", a, a))
	add("build", a.With(llbbuild.Build()))
	add("build_filename", a.AddEnv("A", "b").With(llbbuild.Build(llbbuild.WithFilename("def.pb"))).Run(command("true")).Root())
	add("build_described", a.With(llbbuild.Build(llbbuild.WithConstraints(llb.LinuxArm64), llbbuild.WithConstraints(llb.WithCustomName("b")),
		llbbuild.WithConstraints(llb.Require("f")))))
	add("graph_diamond", func() llb.State {
		base := a.Run(command("base")).Root()
		left, right := base.Run(command("left")).Root(), base.Run(command("right")).Root()
		return left.File(llb.Copy(right, "/", "/"))
	}())
	add("graph_equal_vertices", llb.Merge([]llb.State{
		llb.Image("x").Run(command("same")).Root(), llb.Image("x").Run(command("same")).Root(), llb.Image("x").Run(command("other")).Root(),
	}))
	add("graph_order", func() llb.State {
		p, q := llb.Image("p"), llb.Image("q")
		one := p.File(llb.Copy(q, "/", "/1").Copy(llb.Image("r"), "/", "/2"))
		two := q.Run(command("x"), llb.AddMount("/b", one), llb.AddMount("/a", llb.Image("s")), llb.AddMount("/c", p)).Root()
		return llb.Merge([]llb.State{two, one, p})
	}())
	add("graph_ladder", func() llb.State {
		left, right := a, b
		for i := range 30 {
			left, right = left.File(llb.Copy(right, "/", fmt.Sprintf("/l%d", i))), right.File(llb.Copy(left, "/", fmt.Sprintf("/r%d", i)))
		}
		return llb.Merge([]llb.State{left, right})
	}())
	add("state_with_output", b.AddEnv("B", "1").Dir("/b").WithOutput(alpine(llb.LinuxArm64).Output()).Run(command("true")).Root())
}

func described() {
	at := func(lines ...int32) []*pb.Range {
		var out []*pb.Range
		for _, line := range lines {
			out = append(out, &pb.Range{Start: &pb.Position{Line: line}, End: &pb.Position{Line: line}})
		}
		return out
	}
	add("meta_name", alpine(llb.WithCustomName("a <b>")))
	add("meta_description", alpine(llb.WithDescription(map[string]string{"z": "1", "a": "", "m": "\u00e4"}), llb.WithCustomName("n")))
	add("meta_ignore_cache", alpine(llb.IgnoreCache).Run(command("true")).Root())
	add("meta_export_cache", alpine(llb.WithExportCache()))
	add("meta_no_export_cache", alpine(llb.WithoutExportCache()))
	add("meta_default_export_cache", alpine(llb.WithExportCache(), llb.WithoutDefaultExportCache()))
	add("meta_progress_group", alpine(llb.ProgressGroup("id", "group", false)).Run(command("true"), llb.ProgressGroup("id", "group", true)).Root())
	add("meta_all", alpine(llb.WithCustomName("n"), llb.IgnoreCache, llb.WithExportCache(), llb.ProgressGroup("id", "", true), llb.MemoryLimit(1)))
	add("meta_of_marshal", alpine().Run(command("true")).Root(), llb.IgnoreCache, llb.WithExportCache(), llb.ProgressGroup("i", "n", false))
	add("meta_of_equal_vertices", llb.Merge([]llb.State{
		llb.Image("x", llb.WithCustomName("first"), llb.WithDescription(map[string]string{"only": "first"}), llb.WithExportCache()),
		llb.Image("x", llb.WithCustomName("second"), llb.IgnoreCache, llb.ProgressGroup("i", "n", false)),
		llb.Image("x", llb.WithoutExportCache()),
	}))
	file := llb.NewSourceMap(nil, "image.py", "python", []byte("from llb import Image\n\nimage = 1\n"))
	same := llb.NewSourceMap(nil, "image.py", "python", []byte("from llb import Image\n\nimage = 1\n"))
	other := llb.NewSourceMap(nil, "other.py", "python", []byte("x = 1\n"))
	add("source_map", alpine(file.Location(at(3))))
	add("source_map_ranges", alpine(file.Location(at(1, 3))))
	add("source_map_characters", alpine(file.Location([]*pb.Range{{Start: &pb.Position{Line: 1, Character: 2}, End: &pb.Position{Line: 3, Character: 4}}})))
	add("source_map_files", alpine(file.Location(at(1)), other.Location(at(1)), file.Location(at(2))))
	add("source_map_each_op", llb.Diff(alpine(), llb.Merge([]llb.State{
		llb.Local("c", other.Location(at(1))).File(llb.Mkdir("/a", 0o755), file.Location(at(2))),
		alpine(file.Location(at(1))).Run(command("true"), file.Location(at(3))).Root(),
	}, other.Location(at(4))), file.Location(at(5))))
	add("source_map_equal_files", alpine(file.Location(at(1))).Run(command("true"), same.Location(at(2))).Root())
	add("source_map_equal_vertices", llb.Merge([]llb.State{llb.Image("x", file.Location(at(1))), llb.Image("x", other.Location(at(2)))}))
	add("source_map_language", alpine(llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte("FROM alpine")).Location(at(1))))
	loaded := llb.Local("dockerfile", llb.SessionID("s"))
	add("source_map_definition", alpine(llb.NewSourceMap(&loaded, "d/image.py", "python", []byte("x")).Location(at(1))))
}

func embeddings() {
	file := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte("FROM a\nRUN b\n"))
	at := func(line int32) llb.ConstraintsOpt {
		return file.Location([]*pb.Range{{Start: &pb.Position{Line: line}, End: &pb.Position{Line: line}}})
	}
	inner := alpine(at(1)).AddEnv("A", "b").Run(command("inner"), at(2), llb.WithCustomName("[2/2] RUN b"), llb.IgnoreCache,
		llb.AddMount("/m", llb.Local("c"))).Root()
	add("embed_alone", embedded(inner))
	add("embed_scratch_over", embedded(llb.Scratch().File(llb.Mkdir("/a", 0o755))))
	add("embed_and_run", embedded(inner).Run(command("outer")).Root())
	add("embed_platform", embedded(inner, llb.LinuxArm64).Run(command("outer")).Root())
	add("embed_file_has_no_platform", embedded(alpine(llb.LinuxArm64).File(llb.Mkdir("/a", 0o755))).Run(command("outer")).Root())
	add("embed_other_output", embedded(alpine().Run(command("x"), llb.AddMount("/m", llb.Scratch())).GetMount("/m")).Run(command("outer")).Root())
	add("embed_with_known_vertices", llb.Merge([]llb.State{inner, embedded(inner), embedded(alpine()).Run(command("more")).Root()}))
	add("embed_several_outputs", func() llb.State {
		st := alpine().Run(command("x"), llb.AddMount("/m", llb.Scratch()), llb.AddMount("/n", llb.Local("c")))
		return embedded(llb.Merge([]llb.State{st.GetMount("/m"), st.Root(), st.GetMount("/n"), st.GetMount("/m")}))
	}())
	add("embed_order_of_sources", embedded(alpine().File(llb.Copy(llb.Image("1"), "/1", "/1").Copy(llb.Image("2"), "/2", "/2").
		Copy(llb.Image("3"), "/3", "/3"))))
	add("embed_in_embed", embedded(embedded(inner).File(llb.Mkdir("/a", 0o755))).Run(command("outer"), at(1)).Root())
	other := llb.NewSourceMap(nil, "image.py", "python", []byte("x"))
	at2 := other.Location([]*pb.Range{{Start: &pb.Position{Line: 9}, End: &pb.Position{Line: 10}}})
	add("embed_sources_shifted", llb.Merge([]llb.State{llb.Image("first", at2), embedded(inner).Run(command("outer"), at2).Root()}))
	add("embed_metadata_kept", embedded(llb.Image("x", llb.WithExportCache(), llb.ProgressGroup("i", "n", true),
		llb.WithDescription(map[string]string{"k": "v"}))).Run(command("outer"), llb.MemoryLimit(3)).Root())
	add("embed_as_mounts", alpine().Run(command("outer"), llb.AddMount("/m", embedded(llb.Scratch().File(llb.Mkfile("/f", 0o644, []byte("x")))),
		llb.Readonly), llb.AddMount("/n", embedded(inner))).Root())
}
