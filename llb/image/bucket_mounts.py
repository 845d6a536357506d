"""How a step mounts buckets: a program in front of its command fills the mounts, and writes them back."""

from __future__ import annotations

import os

from llb import _json, graph
from llb._value import Value
from llb.image.bases import read_config, started_on
from llb.image.buckets import CloudBucketMount
from llb.image.build import parse_reference, require_linux
from llb.image.commands import cache_mount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from llb.graph import Reference, SecretEnv, State
    from llb.graph.mounts import Mount
    from llb.image.build import Build
    from llb.image.step import Step
    from llb.image.volumes import VolumeAt

__all__ = ["MountedBuckets", "mount_buckets", "want_library"]

_HOME = "/dev/.llb-buckets"
"""/dev is the container's own, in memory: nothing of it can stay in a layer."""
PREFIX = "LLB_BUCKET_"
"""What the variables with the keys of buckets start with, as the program has it."""
_LIBRARY = "/dev/.llb-boto3"
_PYTHON = "3.13"
"""The series that installs the library; it is for all."""

_REQUIREMENTS = """\
boto3==1.42.97 --hash=sha256:966e49f0510af9a64057a902b7df53d4348c447de0d3df4cc855dfd85e058fcd
botocore==1.42.97 --hash=sha256:77d2c8ce1bc592d3fbd7c01c35836f4a5b0cac2ca03ccdf6ffc60faa16b5fadc
jmespath==1.1.0 --hash=sha256:a5663118de4908c91729bea0acadca56526eb2698e83de10cd116ae0f4e97c64
python-dateutil==2.9.0.post0 --hash=sha256:a8b2bc7bffae282281c8140a97d3aa9c14da0b136dfe83f850eea9a5f7470427
s3transfer==0.16.1 --hash=sha256:61bcd00ccb83b21a0fe7e91a553fff9729d46c83b4e0106e7c314a733891f7c2
six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
urllib3==2.6.3 --hash=sha256:bf272323e553dfb2e87d9bfd225ca7b0f467b919d7bbd355436d3fd37cb0acd4
"""
"""The last releases for Python 3.9 and newer. They are Python alone, so one installation is for all."""

_START = f"""\
for python in python3 python; do
  if command -v "$python" >/dev/null 2>&1; then
    exec "$python" -I -S -u -B -c '
import sys
if sys.version_info < (3, 9):
    sys.exit("CloudBucketMount: the image has Python %d.%d; buckets need 3.9 or newer" % sys.version_info[:2])
sys.path[:0] = ["{_HOME}", "{_LIBRARY}"]
from bucket_program import main
sys.exit(main(sys.argv[1:]))
' {_HOME}/spec "$@"
  fi
done
echo 'CloudBucketMount: the image has no Python; buckets need 3.9 or newer.' >&2
exit 127
"""


class MountedBuckets(Value):
    """What the buckets of a step add to its command."""

    words: tuple[str, ...] = ()
    """What comes before the command's own words."""
    mounts: tuple[Mount, ...] = ()
    secret_env: tuple[SecretEnv, ...] = ()


def _of(volumes: tuple[VolumeAt, ...]) -> list[tuple[str, CloudBucketMount]]:
    return [(one.path, one.volume) for one in volumes if isinstance(one.volume, CloudBucketMount)]


def want_library(volumes: tuple[VolumeAt, ...], build: Build) -> None:
    """Announce the base of what installs the library, if there are buckets."""
    if _of(volumes):
        build.want_base(str(_base(build)), build.platform)


def mount_buckets(volumes: tuple[VolumeAt, ...], step: Step, build: Build) -> MountedBuckets:
    """The mounts of a step's buckets, the keys they need, and the program that fills them.

    Raises:
        LLBError: the keys of a secret cannot be had.
    """
    buckets = _of(volumes)
    if not buckets:
        return MountedBuckets()
    require_linux(build, "a bucket")
    specs: list[dict[str, Any]] = []
    mounts: list[Mount] = []
    keys: list[SecretEnv] = []
    for number, (path, bucket) in enumerate(buckets):
        specs.append(
            {
                "number": number,
                "path": path,
                "bucket": bucket.bucket_name,
                "endpoint": bucket.bucket_endpoint_url or "",
                "prefix": bucket.key_prefix or "",
                "read_only": bucket.read_only,
                "requester_pays": bucket.requester_pays,
                "path_style": bucket.force_path_style,
            }
        )
        mounts.append(graph.bind(path, graph.scratch(), no_output=True))
        if bucket.secret is not None:
            keys += [
                graph.secret_env(f"{PREFIX}{number}_{one.name}", id=one.id)
                for one in build.secret_env(step, [bucket.secret])
            ]
    program = graph.scratch().file(
        graph.mkfile("/start", data=_START.encode()),
        graph.mkfile("/bucket_program.py", data=_program()),
        graph.mkfile("/spec", data=_json.dumps(specs).encode()),
        meta=graph.Meta(name="[internal] what fills the mounts of buckets"),
    )
    mounts.append(graph.bind(_HOME, program, readonly=True))
    mounts.append(graph.bind(_LIBRARY, _library(build), readonly=True))
    return MountedBuckets(("/bin/sh", f"{_HOME}/start"), tuple(mounts), tuple(keys))


def _program() -> bytes:
    loader: Any = __loader__
    return loader.get_data(os.path.join(os.path.dirname(__file__), "bucket_program.py"))


def _base(build: Build) -> Reference:
    recipe = build.recipe
    return parse_reference(f"python:{recipe.python(_PYTHON)}-slim-{recipe.debian}")


def _library(build: Build) -> State:
    """boto3 and what it needs, installed beside the image: nothing of it gets in."""
    reference = _base(build)
    known = build.base(str(reference), build.platform)
    config = build.default_config(build.platform)
    if known is not None:
        config = read_config(known.config, reference)
        reference = graph.Reference.parse(known.reference)
        if known.digest:
            reference = reference.replace(digest=known.digest)
    image = graph.image(
        str(reference), build.platform, meta=graph.Meta(name=f"[internal] {reference.path} for buckets")
    )
    requirements = graph.scratch().file(
        graph.mkfile("/requirements.txt", data=_REQUIREMENTS.encode()),
        meta=graph.Meta(name="[internal] what buckets need"),
    )
    words = ("python3", "-m", "pip", "install", "--no-deps", "--no-compile", "--target=/out")
    done = started_on(image, config, build.platform, build).run(
        (*words, "--require-hashes", "--requirement=/dev/.llb-buckets/requirements.txt"),
        mounts=[
            graph.bind("/out", graph.scratch()),
            graph.bind(_HOME, requirements, readonly=True),
            cache_mount(build, "/root/.cache/pip"),
        ],
        env=[("PIP_ROOT_USER_ACTION", "ignore"), ("PIP_DISABLE_PIP_VERSION_CHECK", "1")],
        meta=graph.Meta(name="[internal] install boto3 for buckets"),
    )
    return done.mounted("/out")
