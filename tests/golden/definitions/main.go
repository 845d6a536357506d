// Prints what BuildKit's own Go client makes of the cases in this folder: the ops as bytes, and everything beside
// them. cases.py describes the same ones; test_definitions.py compares. Run through `make golden`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
)

// What is random in Go otherwise: the same text on both sides.
const unique = "unique-of-the-build"

type testCase struct {
	name  string
	state llb.State
	opts  []llb.ConstraintsOpt
}

var cases []testCase

func add(name string, state llb.State, opts ...llb.ConstraintsOpt) {
	cases = append(cases, testCase{name, state, opts})
}

func marshal(state llb.State, opts ...llb.ConstraintsOpt) *llb.Definition {
	all := append([]llb.ConstraintsOpt{llb.LinuxAmd64, llb.LocalUniqueID(unique)}, opts...)
	def, err := state.Marshal(context.Background(), all...)
	if err != nil {
		panic(err)
	}
	return def
}

// embedded gives a state on a marshalled definition, as a frontend gets one.
func embedded(state llb.State, opts ...llb.ConstraintsOpt) llb.State {
	op, err := llb.NewDefinitionOp(marshal(state, opts...).ToPB())
	if err != nil {
		panic(err)
	}
	return llb.NewState(op.Output())
}

type location struct {
	Source int32      `json:"source"`
	Ranges [][4]int32 `json:"ranges"`
}

type source struct {
	Filename   string  `json:"filename"`
	Language   string  `json:"language"`
	Data       []byte  `json:"data"`
	Definition *result `json:"definition,omitempty"`
}

type result struct {
	Name      string                    `json:"name"`
	Ops       [][]byte                  `json:"ops"`
	Metadata  map[string]*pb.OpMetadata `json:"metadata"`
	Sources   []source                  `json:"sources"`
	Locations map[string][]location     `json:"locations"`
}

func describe(name string, def *pb.Definition) *result {
	out := &result{Name: name, Ops: def.Def, Metadata: def.Metadata, Sources: []source{}, Locations: map[string][]location{}}
	if def.Source == nil {
		return out
	}
	for _, info := range def.Source.Infos {
		one := source{Filename: info.Filename, Language: info.Language, Data: info.Data}
		if info.Definition != nil {
			one.Definition = describe("", info.Definition)
		}
		out.Sources = append(out.Sources, one)
	}
	for dgst, locs := range def.Source.Locations {
		for _, loc := range locs.Locations {
			one := location{Source: loc.SourceIndex}
			for _, r := range loc.Ranges {
				one.Ranges = append(one.Ranges, [4]int32{
					r.GetStart().GetLine(), r.GetStart().GetCharacter(), r.GetEnd().GetLine(), r.GetEnd().GetCharacter(),
				})
			}
			out.Locations[dgst] = append(out.Locations[dgst], one)
		}
	}
	return out
}

func main() {
	sources()
	execs()
	mounts()
	files()
	composed()
	described()
	embeddings()
	arbitrary()
	results := []*result{}
	seen := map[string]bool{}
	for _, c := range cases {
		if seen[c.name] {
			panic("two cases named " + c.name)
		}
		seen[c.name] = true
		results = append(results, describe(c.name, marshal(c.state, c.opts...).ToPB()))
	}
	err := json.NewEncoder(os.Stdout).Encode(map[string]any{"cases": results, "tables": tables()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
