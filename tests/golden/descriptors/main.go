// Compares our descriptions of BuildKit's messages with the real ones.
//
//	go run ./descriptors SET [VERSION]
//
// SET is what `proto/generate.py --descriptor-set` writes: our descriptors under BuildKit's package names. The other
// side is what BuildKit's own generated code, linked in here, registers. Each message, field, enum, value, service and
// method of ours must be there, and be the same. What BuildKit has and we leave out is told, and is no error. With
// VERSION, the BuildKit module must have it.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// The other side.
	_ "github.com/containerd/containerd/api/services/content/v1"
	_ "github.com/moby/buildkit/api/services/control"
	_ "github.com/moby/buildkit/api/types"
	_ "github.com/moby/buildkit/frontend/gateway/pb"
	_ "github.com/moby/buildkit/session/auth"
	_ "github.com/moby/buildkit/session/filesync"
	_ "github.com/moby/buildkit/session/secrets"
	_ "github.com/moby/buildkit/session/sshforward"
	_ "github.com/moby/buildkit/session/upload"
	_ "github.com/moby/buildkit/solver/errdefs"
	_ "github.com/moby/buildkit/solver/pb"
	_ "github.com/moby/buildkit/sourcepolicy/pb"
	_ "github.com/moby/buildkit/util/apicaps/pb"
	_ "github.com/tonistiigi/fsutil/types"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/grpc/health/grpc_health_v1"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: descriptors SET [VERSION]")
		os.Exit(2)
	}
	version := buildkitVersion()
	if len(os.Args) > 2 && os.Args[2] != version {
		fmt.Fprintf(os.Stderr, "proto/VERSION is %s, but go.mod requires BuildKit %s\n", os.Args[2], version)
		os.Exit(1)
	}
	ours, err := load(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}

	c := comparison{counts: map[string]int{}, theirs: map[string]protoreflect.FileDescriptor{}, declared: map[string]bool{}}
	for _, file := range ours {
		c.file(file)
	}
	c.findOmissions()

	for _, line := range c.omissions {
		fmt.Println("left out:", line)
	}
	for _, line := range c.differences {
		fmt.Println("DIFFERS:", line)
	}
	var totals []string
	for _, kind := range []string{"message", "field", "oneof", "enum", "value", "service", "method"} {
		totals = append(totals, fmt.Sprintf("%d %ss", c.counts[kind], kind))
	}
	fmt.Printf("compared with BuildKit %s: %s; %d different, %d left out\n",
		version, strings.Join(totals, ", "), len(c.differences), len(c.omissions))
	if len(c.differences) > 0 {
		os.Exit(1)
	}
}

func buildkitVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/moby/buildkit" {
			if module.Replace != nil {
				return module.Replace.Version + " (replaced)"
			}
			return module.Version
		}
	}
	return "unknown"
}

// load links our descriptors among themselves, apart from the registry in which theirs are, so that both sides are
// read through the same interface.
func load(path string) ([]protoreflect.FileDescriptor, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(set.File) == 0 {
		return nil, errors.New(path + ": no descriptors")
	}
	// The set has our files only: the few of protobuf's own that they import are the same on both sides.
	known := map[string]bool{}
	for _, file := range set.File {
		known[file.GetName()] = true
	}
	for i := 0; i < len(set.File); i++ {
		for _, name := range set.File[i].Dependency {
			if known[name] {
				continue
			}
			known[name] = true
			file, err := protoregistry.GlobalFiles.FindFileByPath(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
		}
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var ours []protoreflect.FileDescriptor
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(file.Path(), "google/protobuf/") {
			ours = append(ours, file)
		}
		return true
	})
	sort.Slice(ours, func(i, j int) bool { return ours[i].Path() < ours[j].Path() })
	return ours, nil
}

type comparison struct {
	counts      map[string]int
	differences []string
	omissions   []string
	declared    map[string]bool                        // full names of ours
	theirs      map[string]protoreflect.FileDescriptor // files of theirs, by path, of which we declare something
}

func (c *comparison) differ(format string, arguments ...any) {
	c.differences = append(c.differences, fmt.Sprintf(format, arguments...))
}

// find looks a declaration of ours up on their side, and notes it as compared.
func find[D protoreflect.Descriptor](c *comparison, kind string, ours D) (theirs D, found bool) {
	c.counts[kind]++
	c.declared[string(ours.FullName())] = true
	descriptor, err := protoregistry.GlobalFiles.FindDescriptorByName(ours.FullName())
	if err != nil {
		c.differ("%s %s: BuildKit has none", kind, ours.FullName())
		return theirs, false
	}
	theirs, found = descriptor.(D)
	if !found {
		c.differ("%s %s: BuildKit's is no %s", kind, ours.FullName(), kind)
		return theirs, false
	}
	file := descriptor.ParentFile()
	c.theirs[file.Path()] = file
	return theirs, true
}

// same compares one property.
func (c *comparison) same(of protoreflect.Descriptor, property string, ours, theirs any) {
	if ours != theirs {
		c.differ("%s: %s is %v, BuildKit's %v", of.FullName(), property, ours, theirs)
	}
}

func (c *comparison) file(file protoreflect.FileDescriptor) {
	c.messages(file.Messages())
	c.enums(file.Enums())
	for i := 0; i < file.Services().Len(); i++ {
		c.service(file.Services().Get(i))
	}
	if n := file.Extensions().Len(); n > 0 {
		c.differ("%s: %d extensions, which nothing here compares", file.Path(), n)
	}
}

func (c *comparison) messages(messages protoreflect.MessageDescriptors) {
	for i := 0; i < messages.Len(); i++ {
		ours := messages.Get(i)
		if ours.IsMapEntry() {
			continue // compared as the field's type
		}
		theirs, found := find(c, "message", ours)
		if !found {
			continue
		}
		for j := 0; j < ours.Fields().Len(); j++ {
			c.field(ours.Fields().Get(j), theirs)
		}
		for j := 0; j < ours.Oneofs().Len(); j++ {
			find(c, "oneof", ours.Oneofs().Get(j))
		}
		c.enums(ours.Enums())
		c.messages(ours.Messages())
	}
}

func (c *comparison) field(ours protoreflect.FieldDescriptor, message protoreflect.MessageDescriptor) {
	theirs, found := find(c, "field", ours)
	if !found {
		if other := message.Fields().ByNumber(ours.Number()); other != nil {
			c.differ("%s: BuildKit's %d is called %s", ours.FullName(), ours.Number(), other.Name())
		}
		return
	}
	c.same(ours, "number", ours.Number(), theirs.Number())
	c.same(ours, "type", typeOf(ours), typeOf(theirs))
	c.same(ours, "label", ours.Cardinality(), theirs.Cardinality())
	c.same(ours, "oneof", oneofOf(ours), oneofOf(theirs))
	c.same(ours, "presence", ours.HasPresence(), theirs.HasPresence())
	c.same(ours, "packing", ours.IsPacked(), theirs.IsPacked())
	c.same(ours, "JSON name", ours.JSONName(), theirs.JSONName())
}

func typeOf(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return fmt.Sprintf("map<%s, %s>", typeOf(field.MapKey()), typeOf(field.MapValue()))
	case field.Message() != nil:
		return string(field.Message().FullName())
	case field.Enum() != nil:
		return "enum " + string(field.Enum().FullName())
	}
	return field.Kind().String()
}

func oneofOf(field protoreflect.FieldDescriptor) string {
	if oneof := field.ContainingOneof(); oneof != nil {
		return string(oneof.Name())
	}
	return "none"
}

func (c *comparison) enums(enums protoreflect.EnumDescriptors) {
	for i := 0; i < enums.Len(); i++ {
		ours := enums.Get(i)
		theirs, found := find(c, "enum", ours)
		if !found {
			continue
		}
		for j := 0; j < ours.Values().Len(); j++ {
			value := ours.Values().Get(j)
			c.counts["value"]++
			// A value's full name lies beside its enum, so it is looked up in the enum itself.
			c.declared[string(ours.FullName())+"/"+string(value.Name())] = true
			other := theirs.Values().ByName(value.Name())
			if other == nil {
				c.differ("value %s of %s: BuildKit has none", value.Name(), ours.FullName())
				continue
			}
			c.same(value, "number", value.Number(), other.Number())
		}
	}
}

func (c *comparison) service(ours protoreflect.ServiceDescriptor) {
	if _, found := find(c, "service", ours); !found {
		return
	}
	for i := 0; i < ours.Methods().Len(); i++ {
		method := ours.Methods().Get(i)
		theirs, found := find(c, "method", method)
		if !found {
			continue
		}
		c.same(method, "request", method.Input().FullName(), theirs.Input().FullName())
		c.same(method, "response", method.Output().FullName(), theirs.Output().FullName())
		c.same(method, "stream of requests", method.IsStreamingClient(), theirs.IsStreamingClient())
		c.same(method, "stream of responses", method.IsStreamingServer(), theirs.IsStreamingServer())
	}
}

// findOmissions lists what is in their files and not in ours.
func (c *comparison) findOmissions() {
	for _, file := range c.theirs {
		c.omittedMessages(file.Messages())
		c.omittedEnums(file.Enums())
		for i := 0; i < file.Services().Len(); i++ {
			service := file.Services().Get(i)
			if !c.omitted("service", service) {
				for j := 0; j < service.Methods().Len(); j++ {
					c.omitted("method", service.Methods().Get(j))
				}
			}
		}
	}
	sort.Strings(c.omissions)
}

func (c *comparison) omitted(kind string, theirs protoreflect.Descriptor) bool {
	if c.declared[string(theirs.FullName())] {
		return false
	}
	c.omissions = append(c.omissions, fmt.Sprintf("%s %s", kind, theirs.FullName()))
	return true
}

func (c *comparison) omittedMessages(messages protoreflect.MessageDescriptors) {
	for i := 0; i < messages.Len(); i++ {
		message := messages.Get(i)
		if message.IsMapEntry() || c.omitted("message", message) {
			continue
		}
		for j := 0; j < message.Fields().Len(); j++ {
			c.omitted("field", message.Fields().Get(j))
		}
		c.omittedEnums(message.Enums())
		c.omittedMessages(message.Messages())
	}
}

func (c *comparison) omittedEnums(enums protoreflect.EnumDescriptors) {
	for i := 0; i < enums.Len(); i++ {
		enum := enums.Get(i)
		if c.omitted("enum", enum) {
			continue
		}
		for j := 0; j < enum.Values().Len(); j++ {
			value := enum.Values().Get(j)
			if !c.declared[string(enum.FullName())+"/"+string(value.Name())] {
				c.omissions = append(c.omissions, fmt.Sprintf("value %s of %s", value.Name(), enum.FullName()))
			}
		}
	}
}
