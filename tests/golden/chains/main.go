// Command chains times BuildKit's own client/llb on the graphs of tests/bench: from states to marshalled bytes.
//
// Usage: chains SHAPE STEPS RUNS, with SHAPE one of chain, wide. Prints one line of nanoseconds per run.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func base() llb.State {
	return llb.Image("docker.io/library/busybox:latest", llb.Platform(ocispecs.Platform{OS: "linux", Architecture: "amd64"})).
		AddEnv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

func chain(steps int) llb.State {
	state := base()
	for i := range steps {
		state = state.Run(llb.Args([]string{"/bin/sh", "-c", "echo " + strconv.Itoa(i)})).Root()
	}
	return state
}

func wide(branches int) llb.State {
	root := base()
	inputs := make([]llb.State, 0, branches)
	for i := range branches {
		inputs = append(inputs, root.Run(llb.Args([]string{"/bin/sh", "-c", "echo " + strconv.Itoa(i)})).Root())
	}
	return llb.Merge(inputs)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: chains chain|wide STEPS RUNS")
		os.Exit(2)
	}
	shape := map[string]func(int) llb.State{"chain": chain, "wide": wide}[os.Args[1]]
	steps, err := strconv.Atoi(os.Args[2])
	runs, err2 := strconv.Atoi(os.Args[3])
	if shape == nil || err != nil || err2 != nil {
		fmt.Fprintln(os.Stderr, "usage: chains chain|wide STEPS RUNS")
		os.Exit(2)
	}
	for range runs {
		start := time.Now()
		definition, err := shape(steps).Marshal(context.Background(), llb.LinuxAmd64)
		if err != nil {
			panic(err)
		}
		if _, err := definition.ToPB().MarshalVT(); err != nil {
			panic(err)
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
}
