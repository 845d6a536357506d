// Writes what BuildKit's own Dockerfile frontend makes of the Dockerfiles in dockerfile_cases.py: ops and config.
//
//	python -m tests.unit.image.dockerfile_cases > cases.json
//	cd tests/golden && go run ../unit/image/dockerfile_definitions.go < cases.json > ../unit/image/dockerfile_definitions.json
package main

import (
	"context"
	"encoding/json"
	"net"
	"os"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
)

type testCase struct {
	Name       string
	Dockerfile string
	Platform   string
	Config     json.RawMessage
	Digest     string
	NoCaps     []string
	Network    string
	Hosts      [][2]string
	Ulimits    []*pb.Ulimit
	Shm        int64
	Cgroup     string
	Hostname   string
	Namespace  string
	Mode       string
}

type resolver struct{ c testCase }

func (r resolver) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, digest.Digest(r.c.Digest), r.c.Config, nil
}

func main() {
	var cases []testCase
	check(json.NewDecoder(os.Stdin).Decode(&cases))
	out := map[string]any{}
	for _, c := range cases {
		p := platforms.Normalize(platforms.MustParse(c.Platform))
		caps := pb.Caps.CapSet(pb.Caps.All())
		opt := dockerfile2llb.ConvertOpt{TargetPlatform: &p, MetaResolver: resolver{c}, LLBCaps: &caps}
		var hosts []llb.HostIP
		for _, h := range c.Hosts {
			hosts = append(hosts, llb.HostIP{Host: h[0], IP: net.ParseIP(h[1])})
		}
		mode := llb.ResolveModeDefault
		if c.Mode == "pull" {
			mode = llb.ResolveModeForcePull
		} else if c.Mode == "local" {
			mode = llb.ResolveModePreferLocal
		}
		network := llb.NetModeSandbox
		if c.Network == "host" {
			network = llb.NetModeHost
		} else if c.Network == "none" {
			network = llb.NetModeNone
		}
		opt.Config = dockerui.Config{BuildArgs: map[string]string{}, CacheIDNamespace: c.Namespace, CgroupParent: c.Cgroup,
			ExtraHosts: hosts, Hostname: c.Hostname, ImageResolveMode: mode, NetworkMode: network,
			ShmSize: c.Shm, Ulimits: c.Ulimits}
		if c.NoCaps != nil {
			list := pb.Caps.All()
			for i := range list {
				for _, no := range c.NoCaps {
					if list[i].ID == no {
						list[i].Enabled = false
					}
				}
			}
			caps = pb.Caps.CapSet(list)
		}
		res, err := dockerfile2llb.Dockerfile2LLB(context.TODO(), []byte(c.Dockerfile), opt)
		check(err)
		def, err := res.State.Marshal(context.TODO(), llb.LocalUniqueID("u"))
		check(err)
		config, err := json.Marshal(res.Image)
		check(err)
		out[c.Name] = map[string]any{"ops": def.Def, "config": json.RawMessage(config)}
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	check(encoder.Encode(out))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
