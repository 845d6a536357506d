package main

import (
	"encoding/json"
	"net"
	"path"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// tables holds what small functions of Go answer; null is an error.
func tables() map[string]map[string]any {
	out := map[string]map[string]any{"platform": {}, "reference": {}, "path": {}, "json": {}, "ip": {}}
	for _, text := range []string{
		"linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm64/v9", "linux/arm64/8", "linux/arm", "linux/arm/v7",
		"linux/arm/7", "linux/arm/v6", "linux/arm/6", "linux/armhf", "linux/armel", "Linux/AMD64", "linux/x86_64",
		"linux/x86-64", "linux/amd64/v1", "linux/amd64/v2", "linux/aarch64", "linux/i386", "linux/386", "macos/arm64",
		"windows/amd64", "windows(10.0.17763)/amd64", "windows(10.0.17763+win32k)/amd64", "windows(+b+a+b)/amd64",
		"linux(a%2Bb)/amd64", "amd64", "arm64", "aarch64", "arm", "armhf", "riscv64", "linux/ppc64le", "linux/s390x",
		"linux/riscv64", "freebsd/amd64", "plan9/whatever", "linux/arm64/v8/extra", "linux/", "/amd64", "", "linux//v8",
		"*", "linux/*", "linux/am d64", "nonsense", "linux(/amd64", "linux()/amd64", "linux(+)/amd64", "linux(%zz)/amd64",
		"lin.ux/amd64", "linux/arm/v8", "linux/loong64", "wasi/wasm", "linux/arm64/v8.0", "linux/arm64/9.0", "li(nux)x/a",
	} {
		p, err := platforms.Parse(text)
		if err != nil {
			out["platform"][text] = nil
			continue
		}
		n := platforms.Normalize(p)
		out["platform"][text] = []any{platformRow(p), platformRow(n), platforms.FormatAll(p)}
	}
	const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	for _, text := range []string{
		"alpine", "alpine:3.20", "library/alpine", "docker.io/alpine", "docker.io/library/alpine:3", "index.docker.io/x",
		"index.docker.io/a/b", "ghcr.io/owner/name:1.2", "localhost/x", "localhost:5000/x/y:z", "registry:5000/x",
		"a.b/c", "owner/name", "Owner/name", "OWNER/name/x", "REGISTRY.io/name", "alpine@" + digest, "alpine:3@" + digest,
		"a/b/c/d@" + digest, digest, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "", ":", "a:", "a@",
		"a:b:c", "a//b", "/a", "a/", "a..b", "a.b", "a__b", "a___b", "a_b", "a---b", "a-b", "-a", "a-", "a_-b", "a.-b",
		"alpine:-x", "alpine:.x", "alpine:_x", "alpine:Tag-1.0_x", "alpine:t\u00e4g", "alp\u00efne", "alpine@sha256:abc",
		"alpine@md5:9f86d081884c7d659a2feaa0c55ad015", "alpine@SHA256:" + digest[7:], "alpine latest", "[::1]:5000/a", "[::1]/a",
		"[fe80::1%eth0]/a", "host:port/a", "host:/a", "my-host.example.com:443/a/b:c", "-host.com/a", "host-.com/a", "a:5000/b",
		"docker.io/a/b", "docker.io/", "localhost", "localhost:5000", "x.y", "alpine:" + string(make128()), "scratch", "a/b:c@" + digest,
		"alpine@" + digest + "0", "alpine@sha512:" + digest[7:] + digest[7:], "0", "A", "host.com/A", "Host/a", "UPPER",
	} {
		r, err := reference.ParseNormalizedNamed(text)
		if err != nil {
			out["reference"][text] = nil
			continue
		}
		out["reference"][text] = reference.TagNameOnly(r).String()
	}
	for _, text := range []string{
		"", ".", "/", "//", "a", "/a", "a/", "/a/", "a//b", "/a/./b", "a/../b", "/a/../b", "../a", "/../a", "a/../../b", "..",
		"../..", "a/..", "/a/..", "./a", "a/.", "///a///b", "a/b/../../..", "/.", "a/./", "...", ".a", "a..", "/a/b/../c/./d//",
	} {
		out["path"][text] = []string{path.Clean(text), path.Join("/", text), path.Join("/base", text), path.Join("rel", text), path.Join("", text)}
	}
	for _, text := range []string{
		"", "plain", "<&>", "\"quoted\\\"", "\n\t\r\b\f\x00\x1f\x7f", "\u2028\u2029", "\u00e4\u00f6", "\U0001F600", "'", "/",
	} {
		dt, _ := json.Marshal([]string{text, "x"})
		out["json"][text] = string(dt)
	}
	for _, text := range []string{
		"1.2.3.4", "127.0.0.1", "0.0.0.0", "255.255.255.255", "256.1.1.1", "01.2.3.4", "1.2.3", "1.2.3.4.5", "::1", "::", "fe80::1",
		"2001:DB8:0:0:0:0:0:1", "2001:db8:0:0:1:0:0:1", "::ffff:1.2.3.4", "::ffff:102:304", "1::2::3", "fe80::1%eth0", "", "host",
		"1:2:3:4:5:6:7:8", "1:0:3:4:5:6:7:8", "64:ff9b::1.2.3.4", "::1.2.3.4",
	} {
		if ip := net.ParseIP(text); ip != nil {
			out["ip"][text] = ip.String()
		} else {
			out["ip"][text] = nil
		}
	}
	return out
}

func platformRow(p ocispecs.Platform) []any {
	features := p.OSFeatures
	if features == nil {
		features = []string{}
	}
	return []any{p.OS, p.Architecture, p.Variant, p.OSVersion, features}
}

func make128() []byte {
	b := make([]byte, 128)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
