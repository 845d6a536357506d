package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"
	apicapspb "github.com/moby/buildkit/util/apicaps/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func withCaps(names ...string) llb.ConstraintsOpt {
	var list []*apicapspb.APICap
	for _, name := range names {
		list = append(list, &apicapspb.APICap{ID: name, Enabled: true})
	}
	var _ apicaps.CapID
	return llb.WithCaps(pb.Caps.CapSet(list))
}

func execs() {
	run := func(opts ...llb.RunOption) llb.State {
		return alpine().Run(append([]llb.RunOption{command("true")}, opts...)...).Root()
	}
	add("exec_plain", run())
	add("exec_on_scratch", llb.Scratch().Run(command("/bin/true")).Root())
	add("exec_args", alpine().Run(command("sh", "-c", "echo \u00e4 \U0001F600", "")).Root())
	add("exec_long_args", alpine().Run(command(strings.Repeat("a", 127), strings.Repeat("b", 128), strings.Repeat("c", 16383),
		strings.Repeat("d", 16384), strings.Repeat("e", 100000))).Root())
	add("exec_env_of_state", alpine().AddEnv("A", "1").AddEnv("B", "").AddEnv("C", "x=y z").Run(command("true")).Root())
	add("exec_env_replaced", alpine().AddEnv("A", "1").AddEnv("B", "2").AddEnv("A", "3").Run(command("true")).Root())
	add("exec_env_replaced_by_same", alpine().AddEnv("A", "1").AddEnv("B", "2").AddEnv("A", "1").Run(command("true")).Root())
	add("exec_env_of_run", alpine().AddEnv("A", "1").Run(command("true"), llb.AddEnv("B", "2"), llb.AddEnv("A", "3")).Run(command("next")).Root())
	add("exec_dir", alpine().Dir("/a").Run(command("true")).Root())
	add("exec_dir_relative", alpine().Dir("a").Dir("../b//c/").Run(command("true")).Root())
	add("exec_dir_absolute_stays", alpine().Dir("/a/../b/").Run(command("true")).Root())
	add("exec_dir_empty", alpine().Dir("/a/").Dir("").Run(command("true")).Root())
	add("exec_dir_of_run", alpine().Dir("/a").Run(command("true"), llb.Dir("b")).Run(command("next")).Root())
	add("exec_user", alpine().User("me:us").Run(command("true")).Run(command("true"), llb.User("1000")).Run(command("next")).Root())
	add("exec_hostname", alpine().Hostname("state").Run(command("a")).Run(command("b"), llb.With(llb.Hostname("run"))).Root())
	add("exec_hosts", alpine().AddExtraHost("a", net.ParseIP("1.2.3.4")).
		Run(command("true"), llb.AddExtraHost("b", net.ParseIP("2001:DB8::0:1")), llb.AddExtraHost("a", net.ParseIP("::ffff:5.6.7.8"))).
		Run(command("next")).Root())
	add("exec_ulimits", alpine().AddUlimit(llb.UlimitNofile, 1024, 2048).
		Run(command("true"), llb.AddUlimit(llb.UlimitCore, 0, -1), llb.AddUlimit("nofile", 1, 2)).Run(command("next")).Root())
	add("exec_cgroup", alpine().WithCgroupParent("/state").Run(command("a")).Run(command("b"), llb.WithCgroupParent("/run")).Root())
	add("exec_exit_codes", run(llb.ValidExitCodes(0, 1, 300)))
	add("exec_exit_codes_negative", run(llb.ValidExitCodes(-1)))
	add("exec_exit_codes_none", run(llb.ValidExitCodes()))
	add("exec_network_host", run(llb.Network(llb.NetModeHost)))
	add("exec_network_none", alpine().Network(llb.NetModeNone).Run(command("a")).Run(command("b"), llb.Network(llb.NetModeSandbox)).Root())
	add("exec_security_insecure", run(llb.Security(llb.SecurityModeInsecure)))
	add("exec_security_of_state", alpine().Security(llb.SecurityModeInsecure).Run(command("a")).
		Run(command("b"), llb.Security(llb.SecurityModeSandbox)).Root())
	add("exec_proxy", run(llb.WithProxy(llb.ProxyEnv{HTTPProxy: "h", HTTPSProxy: "s", FTPProxy: "f", NoProxy: "n", AllProxy: "a"})))
	add("exec_proxy_empty", run(llb.WithProxy(llb.ProxyEnv{})))
	add("exec_devices", run(llb.AddCDIDevice(llb.CDIDeviceName("nvidia.com/gpu=all")),
		llb.AddCDIDevice(llb.CDIDeviceName("vendor.com/x=1"), llb.CDIDeviceOptional)))
	add("exec_readonly_root", alpine().Run(command("true"), llb.ReadonlyRootFS()).Run(command("next")).Root())
	add("exec_readonly_root_output", alpine().Run(command("true"), llb.ReadonlyRootFS(), llb.AddMount("/out", llb.Scratch())).GetMount("/out"))
	add("exec_readonly_root_of_scratch", llb.Scratch().Run(command("true"), llb.ReadonlyRootFS()).Root())
	add("exec_platform", alpine().Run(command("true"), llb.LinuxArm64).Run(command("next")).Root())
	add("exec_platform_not_normalized", alpine().
		Run(command("true"), llb.Platform(ocispecs.Platform{OS: "linux", Architecture: "aarch64", Variant: "v8"})).Run(command("next")).Root())
	add("exec_platform_of_state", alpine().Platform(ocispecs.Platform{OS: "linux", Architecture: "arm"}).Run(command("true")).Root())
	add("exec_platform_of_image", alpine(llb.LinuxPpc64le).Run(command("true")).File(llb.Mkdir("/a", 0o755)).Run(command("next")).Root())
	add("exec_platform_of_marshal", run(), llb.LinuxArmhf)
	add("exec_platform_of_http", llb.HTTP("https://example.org/rootfs", llb.LinuxArm64).Run(command("true")).Root())
	add("exec_filters", run(llb.Require("a")), llb.Require("b", "c"))
	add("exec_caps_set_path", run(), withCaps("exec.meta.setsdefaultpath", "exec.meta.base"))
	add("exec_caps_without_path", run(), withCaps("exec.meta.base"))
	add("exec_caps_own_path", alpine().AddEnv("PATH", "/bin").AddEnv("A", "b").Run(command("true")).Root(), withCaps())
	add("exec_caps_path_and_ssh", alpine().AddEnv("A", "b").Run(command("true"), llb.AddSSHSocket()).Root(), withCaps())
	add("exec_caps_windows", alpine().Run(command("true")).Root(), withCaps(), llb.Windows)
	add("exec_caps_chain", alpine().AddEnv("A", "b").Run(command("a")).Run(command("b")).Root(), withCaps())
	add("exec_resources", run(llb.WithLinuxResources(llb.LinuxResources{Memory: 1 << 30, MemorySwap: -1, CPUShares: 512, CPUPeriod: 100000,
		CPUQuota: 50000, CpusetCpus: "0-3", CpusetMems: "0"})))
	add("exec_resources_memory", run(llb.MemoryLimit(1000)))
	config, err := alpine().AddEnv("OLD", "1").Dir("/old").WithImageConfig([]byte(`{"architecture":"arm64","os":"linux","variant":"v8",
		"config":{"Env":["PATH=/bin","EMPTY=","NONE","=x","OLD=2"],"WorkingDir":"/work","User":"me"}}`))
	if err != nil {
		panic(err)
	}
	add("exec_image_config", config.Run(command("true")).Root())
	config, err = alpine().Dir("/old").WithImageConfig([]byte(`{"config":{}}`))
	if err != nil {
		panic(err)
	}
	add("exec_image_config_empty", config.Run(command("true")).Root())
	chain := alpine().AddEnv("A", "b")
	for i := range 300 {
		chain = chain.Run(command("step", fmt.Sprint(i))).Root()
	}
	add("exec_deep_chain", chain)
	chain = alpine()
	for i := range 40 {
		chain = chain.AddEnv("STEP", fmt.Sprint(i)).Dir(fmt.Sprintf("d%d", i)).Run(command("step")).Root()
	}
	add("exec_chain_of_values", chain)
}

func mounts() {
	src := llb.Local("src")
	tools := llb.Image("tools")
	run := func(opts ...llb.RunOption) llb.ExecState {
		return alpine().Run(append([]llb.RunOption{command("make")}, opts...)...)
	}
	add("mount_bind", run(llb.AddMount("/src", src)).Root())
	add("mount_bind_output", run(llb.AddMount("/src", src)).GetMount("/src"))
	add("mount_bind_source_path", run(llb.AddMount("/src", src, llb.SourcePath("/sub/dir"))).Root())
	add("mount_bind_readonly", run(llb.AddMount("/src", src, llb.Readonly)).Root())
	add("mount_bind_readonly_output", run(llb.AddMount("/src", src, llb.Readonly)).GetMount("/src").Run(command("on source")).Root())
	add("mount_bind_no_output", run(llb.AddMount("/src", src, llb.ForceNoOutput)).Root())
	add("mount_content_cache_on", run(llb.AddMount("/src", src, llb.Readonly, llb.ContentCache(llb.MountContentCacheOn))).Root())
	add("mount_content_cache_off", run(llb.AddMount("/src", src, llb.ContentCache(llb.MountContentCacheOff))).Root())
	add("mount_content_cache_default", run(llb.AddMount("/src", src, llb.ContentCache(llb.MountContentCacheDefault))).Root())
	add("mount_scratch", run(llb.AddMount("/out", llb.Scratch())).GetMount("/out"))
	add("mount_several_outputs", func() llb.State {
		st := run(llb.AddMount("/z", llb.Scratch()), llb.AddMount("/a", src), llb.AddMount("/m", tools, llb.Readonly))
		return llb.Merge([]llb.State{st.GetMount("/z"), st.GetMount("/a"), st.Root()})
	}())
	add("mount_order", run(llb.AddMount("/b", src), llb.AddMount("/a/b", tools), llb.AddMount("/a", llb.Scratch()), llb.AddMount("/a-b", src),
		llb.AddMount("/\u00e4", src), llb.AddMount("/B", tools)).Root())
	add("mount_same_input_twice", run(llb.AddMount("/a", src), llb.AddMount("/b", src, llb.SourcePath("x"))).Root())
	add("mount_root_again", run(llb.AddMount("/base", alpine(), llb.Readonly)).Root())
	add("mount_outputs_of_one_exec", func() llb.State {
		st := run(llb.AddMount("/x", src), llb.AddMount("/y", tools))
		return st.Run(command("next"), llb.AddMount("/1", st.GetMount("/y")), llb.AddMount("/2", st.GetMount("/x")),
			llb.AddMount("/3", st.GetMount("/y"))).Root()
	}())
	add("mount_output_keeps_source_values", func() llb.State {
		st := run()
		out := st.AddMount("/x", src.AddEnv("OF", "source").Dir("/s"))
		return out.Run(command("next")).Root()
	}())
	add("mount_output_fresh_values", alpine().AddEnv("A", "b").Run(command("make"), llb.AddMount("/x", src.AddEnv("OF", "source"))).
		GetMount("/x").Run(command("next")).Root())
	add("mount_output_platform", run(llb.LinuxArm64, llb.AddMount("/x", src)).GetMount("/x").Run(command("next")).Root())
	add("mount_root_output", alpine().AddEnv("A", "b").Run(command("make")).GetMount("/").Run(command("next")).Root())
	add("mount_cache", run(llb.AddMount("/cache", llb.Scratch(), llb.AsPersistentCacheDir("/cache", llb.CacheMountShared))).Root())
	add("mount_cache_private", run(llb.AddMount("/cache", llb.Scratch(), llb.AsPersistentCacheDir("id", llb.CacheMountPrivate))).Root())
	add("mount_cache_locked", run(llb.AddMount("/cache", llb.Scratch(), llb.AsPersistentCacheDir("id", llb.CacheMountLocked))).Root())
	add("mount_cache_source", run(llb.AddMount("/cache", src, llb.AsPersistentCacheDir("id", llb.CacheMountShared), llb.SourcePath("sub"))).Root())
	add("mount_cache_readonly", run(llb.AddMount("/cache", src, llb.Readonly, llb.AsPersistentCacheDir("id", llb.CacheMountShared))).Root())
	add("mount_tmpfs", run(llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs())).Root())
	add("mount_tmpfs_size", run(llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs(llb.TmpfsSize(64<<20)))).Root())
	add("mount_secret", run(llb.AddSecret("/run/secrets/a")).Root())
	add("mount_secret_all", run(llb.AddSecret("/s", llb.SecretID("id"), llb.SecretFileOpt(1, 2, 0o644), llb.SecretOptional)).Root())
	add("mount_secret_owner_zero", run(llb.AddSecret("/s", llb.SecretFileOpt(0, 0, 0))).Root())
	add("secret_env", run(llb.AddSecret("TOKEN", llb.SecretAsEnv(true))).Root())
	add("secret_env_all", run(llb.AddSecret("TOKEN", llb.SecretID("id"), llb.SecretAsEnv(true), llb.SecretOptional)).Root())
	add("secret_env_and_file", run(llb.AddSecret("/s", llb.SecretID("id"), llb.SecretAsEnvName("TOKEN"))).Root())
	add("mount_ssh", run(llb.AddSSHSocket()).Run(command("next")).Root())
	add("mount_ssh_all", run(llb.AddSSHSocket(llb.SSHID("id"), llb.SSHSocketOpt("/agent", 1, 2, 0o666), llb.SSHOptional)).Root())
	add("mount_ssh_two", run(llb.AddSSHSocket(llb.SSHID("a"), llb.SSHSocketTarget("/a")), llb.AddSSHSocket(llb.SSHID("b"))).Root())
	add("mount_ssh_own_env", alpine().AddEnv("SSH_AUTH_SOCK", "/mine").Run(command("make"), llb.AddSSHSocket()).Root())
	add("mount_all_kinds", run(llb.AddSSHSocket(), llb.AddSecret("/z"), llb.AddSecret("E", llb.SecretAsEnv(true)), llb.AddMount("/y", src),
		llb.AddMount("/x", llb.Scratch(), llb.Tmpfs()), llb.AddMount("/w", llb.Scratch(), llb.AsPersistentCacheDir("w", llb.CacheMountLocked)),
		llb.AddMount("/v", tools, llb.Readonly, llb.SourcePath("/bin")), llb.AddCDIDevice(llb.CDIDeviceName("a/b=c")),
		llb.WithProxy(llb.ProxyEnv{NoProxy: "x"}), llb.Network(llb.NetModeHost), llb.Security(llb.SecurityModeInsecure),
		llb.AddEnv("K", "v"), llb.User("u"), llb.Dir("d"), llb.ValidExitCodes(1), llb.MemoryLimit(5), llb.LinuxArm64,
		llb.WithCustomName("all"), llb.IgnoreCache).Root())
}
