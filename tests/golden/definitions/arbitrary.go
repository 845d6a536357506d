package main

import (
	"fmt"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// numbers gives the same arbitrary numbers on both sides.
func numbers(seed int) func(int) int {
	x := seed
	return func(below int) int {
		x = (x*1103515245 + 12345) % (1 << 31)
		return (x >> 12) % below
	}
}

// arbitrary adds graphs that nobody thought of: each step builds on any of those before it.
func arbitrary() {
	files := []*llb.SourceMap{llb.NewSourceMap(nil, "a.py", "python", []byte("a")), llb.NewSourceMap(nil, "b.py", "python", []byte("b"))}
	for seed := range 40 {
		next := numbers(seed)
		states := []llb.State{llb.Scratch(), llb.Image("alpine"), llb.Local("context", llb.ExcludePatterns([]string{"*.pyc"}))}
		for i := range 5 + next(40) {
			kind := next(16)
			one, two, three := states[next(len(states))], states[next(len(states))], states[next(len(states))]
			opts := []llb.ConstraintsOpt{llb.WithCustomNamef("step %d", i)}
			if next(3) == 0 {
				line := &pb.Position{Line: int32(i + 1)}
				opts = append(opts, files[next(2)].Location([]*pb.Range{{Start: line, End: line}}))
			}
			run := func(more ...llb.RunOption) llb.ExecState {
				all := []llb.RunOption{command("step", fmt.Sprint(next(4)))}
				for _, opt := range opts {
					all = append(all, opt)
				}
				return one.Run(append(all, more...)...)
			}
			var st llb.State
			switch kind {
			case 0:
				st = run().Root()
			case 1:
				st = run(llb.AddMount("/two", two), llb.AddMount("/b", three), llb.AddMount("/a", llb.Scratch())).GetMount("/two")
			case 2:
				st = one.AddEnv(fmt.Sprintf("K%d", next(3)), fmt.Sprint(i)).Dir(fmt.Sprintf("d%d", next(3)))
			case 3:
				st = one.File(llb.Copy(two, "a", "b/", llb.WithUser("me:1")).Mkdir("/d", 0o755).Copy(three, "x", "y"), opts...)
			case 4:
				st = one.File(llb.Mkfile("f", 0o644, []byte("x")).Symlink("f", "l").Rm("x"), opts...)
			case 5:
				st = llb.Merge([]llb.State{one, two, three}, opts...)
			case 6:
				st = llb.Diff(one, two, opts...)
			case 7:
				st = one.Platform(ocispecs.Platform{OS: "linux", Architecture: "arm64"}).User("me")
			case 8:
				st = llb.Image(fmt.Sprintf("image%d", next(3)), llb.WithCustomNamef("image %d", i))
			case 9:
				st = run(llb.AddMount("/two", two, llb.Readonly, llb.SourcePath("/s")), llb.AddEnv("E", "1"), llb.ReadonlyRootFS()).GetMount("/two")
			case 10:
				st = one.WithOutput(two.Output())
			case 11:
				st = run(llb.Network(llb.NetModeHost), llb.LinuxArmhf, llb.AddMount("/m", two)).Root()
			case 12:
				st = run(llb.LinuxS390x, llb.AddMount("/m", two)).GetMount("/m")
			case 13:
				stage := llb.Mkdir("/s", 0o755).Copy(three, "/", "/s", llb.WithUser("me")).WithState(two)
				st = one.File(llb.Copy(stage, "s", "/1").Copy(two, "/", "/2").Copy(stage, "s", "/3"), opts...)
			case 14:
				if one.Output() == nil {
					st = two
				} else {
					st = one.Requires("id", two, three)
				}
			case 15:
				if one.Output() == nil {
					st = one
				} else {
					st = embedded(one)
				}
			}
			states = append(states, st)
		}
		add(fmt.Sprintf("arbitrary_%d", seed), llb.Merge(append(states, states[len(states)-1])))
	}
}
