"""Commands: the vertex of `State.run`."""

from __future__ import annotations

from llb import wire
from llb._value import Value, slot_setters
from llb.graph.mounts import DirectoryMount, SecretMount, SSHMount
from llb.graph.vertex import DIGEST_INPUT, EMPTY, Inputs, Vertex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from llb.graph.metadata import Meta
    from llb.graph.mounts import Device, Mount, ProxyEnv, SecretEnv
    from llb.graph.platform import Platform
    from llb.graph.state import State
    from llb.graph.values import Values
    from llb.graph.vertex import Encoder

_ROOT = wire.message(2, wire.string(3, "/"))
"""The root mount on input 0, giving output 0: all that most commands mount."""

_SETS_PATH = "exec.meta.setsdefaultpath"


class Extras(Value):
    """What most commands do not have."""

    directories: tuple[DirectoryMount, ...]
    """All mounted filesystems, the root among them, sorted by target."""

    secrets: tuple[SecretMount, ...] = ()
    secret_env: tuple[SecretEnv, ...] = ()
    ssh: tuple[SSHMount, ...] = ()
    devices: tuple[Device, ...] = ()
    proxy: ProxyEnv | None = None
    platform: Platform | None = None


class ExecOp(Vertex):
    """A command on a filesystem."""

    args: tuple[str, ...]
    values: Values
    extras: Extras | None

    def __init__(
        self,
        inputs: tuple[State, ...],
        meta: Meta,
        filters: tuple[str, ...],
        args: tuple[str, ...],
        values: Values,
        extras: Extras | None,
    ) -> None:
        _set_inputs(self, inputs)
        _set_meta(self, meta)
        _set_filters(self, filters)
        _set_args(self, args)
        _set_values(self, values)
        _set_extras(self, extras)

    @property
    def output_platform(self) -> Platform | None:
        return self.extras.platform if self.extras is not None else None

    def encode(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        supported = encoder.capabilities
        extras = self.extras
        if extras is not None or self.meta.linux_resources is not None or supported is not None:
            return self._encode_rare(encoder)
        values = self.values
        encoded = values.encoded()
        varints = wire.VARINTS
        words: list[bytes] = []
        for word in self.args:
            text = word.encode()
            words += (b"\x0a", varints[len(text)], text)
        meta = b"".join(words) + encoded.before_proxy + encoded.after_proxy
        capabilities = encoded.capabilities
        if self.inputs:
            base = self.inputs[0]
            if base.index:
                start = wire.message(1, encoder.reference(base))
            else:
                start = DIGEST_INPUT + encoder.digests[base.vertex]  # pyright: ignore[reportArgumentType]
            capabilities = encoded.capabilities_on_base
            root = _ROOT
        else:
            start = b""
            root = wire.message(2, wire.integer(1, EMPTY) + wire.string(3, "/"))
        op = b"".join((b"\x0a", varints[len(meta)], meta, root, encoded.isolation))
        constraints = encoder.platform_constraints(values.platform, self.filters)
        return b"".join((start, constraints, b"\x12", varints[len(op)], op)), capabilities

    def _encode_rare(self, encoder: Encoder) -> tuple[bytes, frozenset[str]]:
        extras = self.extras or Extras((root_mount(self.inputs[0] if self.inputs else None),))
        capabilities: set[str] = set()
        values = self.values
        ssh = [
            one if one.target else one.replace(target=f"/run/buildkit/ssh_agent.{i}")
            for i, one in enumerate(extras.ssh)
        ]
        if ssh:
            capabilities.add("exec.mount.ssh")
            if "SSH_AUTH_SOCK" not in values.env:
                values = values.with_env([("SSH_AUTH_SOCK", ssh[0].target)])
        if encoder.capabilities is not None:
            if _SETS_PATH in encoder.capabilities:
                capabilities.add(_SETS_PATH)
            elif "PATH" not in values.env and encoder.platform.os != "windows":
                values = encoder.with_default_path(values)
        encoded = values.encoded()
        capabilities |= encoded.capabilities
        proxy = b""
        if extras.proxy is not None:
            capabilities.add("exec.meta.proxyenv")
            proxy = wire.message(5, _proxy(extras.proxy))
        if self.meta.linux_resources is not None:
            capabilities.add("exec.meta.linux.resources")
        if extras.secrets or extras.secret_env:
            capabilities.add("exec.mount.secret")
        if extras.secret_env:
            capabilities.add("exec.secretenv")
        if extras.devices:
            capabilities.add("exec.meta.cdi")
        inputs = Inputs(encoder)
        mounts = self._directories(extras.directories, inputs, capabilities)
        mounts += [_secret(one) for one in extras.secrets]
        mounts += [_ssh(one) for one in ssh]
        meta = wire.strings(1, self.args) + encoded.before_proxy + proxy + encoded.after_proxy
        op = b"".join(
            [
                wire.message(1, meta),
                *[wire.message(2, mount) for mount in mounts],
                encoded.isolation,
                *[wire.message(5, _secret_env(one)) for one in extras.secret_env],
                *[
                    wire.message(6, wire.string(1, one.name) + wire.integer(2, one.optional))
                    for one in extras.devices
                ],
            ]
        )
        constraints = encoder.platform_constraints(extras.platform or values.platform, self.filters)
        return inputs.encode() + constraints + wire.message(2, op), frozenset(capabilities)

    def _directories(
        self, directories: tuple[DirectoryMount, ...], inputs: Inputs, capabilities: set[str]
    ) -> list[bytes]:
        """The mounted filesystems as `pb.Mount`s."""
        mounts: list[bytes] = []
        outputs = 0
        for mount in directories:
            number = inputs.add(mount.source)
            output = EMPTY
            if mount.has_output:
                output = outputs
                outputs += 1
            if mount.selector:
                capabilities.add("exec.mount.selector")
            kind = options = b""
            if mount.cache_id:
                capabilities |= {"exec.mount.cache", "exec.mount.cache.sharing"}
                kind = wire.integer(6, 3)
                options = wire.message(
                    20, wire.string(1, mount.cache_id) + wire.integer(2, mount.cache_sharing)
                )
            elif mount.tmpfs:
                capabilities.add("exec.mount.tmpfs")
                if mount.tmpfs_size:
                    capabilities.add("exec.mount.tmpfs.size")
                kind = wire.integer(6, 4)
                options = wire.message(19, wire.integer(1, mount.tmpfs_size))
            elif number != EMPTY:
                capabilities.add("exec.mount.bind")
            if mount.content_cache:
                capabilities.add("exec.mount.cache.content")
            mounts.append(
                wire.integer(1, number)
                + wire.string(2, mount.selector)
                + wire.string(3, mount.target)
                + wire.integer(4, output)
                + wire.integer(5, mount.readonly)
                + kind
                + options
                + wire.integer(24, mount.content_cache)
            )
        return mounts


_set_inputs, _set_meta, _set_filters, _set_args, _set_values, _set_extras = slot_setters(ExecOp)


def root_mount(base: State | None, *, readonly: bool = False) -> DirectoryMount:
    return DirectoryMount("/", base, readonly=readonly)


def sort_mounts(
    root: DirectoryMount, mounts: tuple[Mount, ...]
) -> tuple[tuple[DirectoryMount, ...], tuple[SecretMount, ...], tuple[SSHMount, ...]]:
    """The mounts by kind; filesystems sorted by target: in this order their outputs are numbered."""
    directories = [root, *[one for one in mounts if isinstance(one, DirectoryMount)]]
    directories.sort(key=_by_target)
    return (
        tuple(directories),
        tuple([one for one in mounts if isinstance(one, SecretMount)]),
        tuple([one for one in mounts if isinstance(one, SSHMount)]),
    )


def _by_target(mount: DirectoryMount) -> str:
    return mount.target  # code points sort as their UTF-8 bytes do


def _secret(one: SecretMount) -> bytes:
    options = (
        wire.string(1, one.id)
        + wire.integer(2, one.uid)
        + wire.integer(3, one.gid)
        + wire.integer(4, one.mode)
        + wire.integer(5, one.optional)
    )
    return (
        wire.integer(1, EMPTY) + wire.string(3, one.target) + wire.integer(6, 1) + wire.message(21, options)
    )


def _ssh(one: SSHMount) -> bytes:
    options = (
        wire.string(1, one.id)
        + wire.integer(2, one.uid)
        + wire.integer(3, one.gid)
        + wire.integer(4, one.mode)
        + wire.integer(5, one.optional)
    )
    return (
        wire.integer(1, EMPTY) + wire.string(3, one.target) + wire.integer(6, 2) + wire.message(22, options)
    )


def _secret_env(one: SecretEnv) -> bytes:
    return wire.string(1, one.id) + wire.string(2, one.name) + wire.integer(3, one.optional)


def _proxy(proxy: ProxyEnv) -> bytes:
    return (
        wire.string(1, proxy.http_proxy)
        + wire.string(2, proxy.https_proxy)
        + wire.string(3, proxy.ftp_proxy)
        + wire.string(4, proxy.no_proxy)
        + wire.string(5, proxy.all_proxy)
    )
