"""Base images for a closed network: made as docker/seed/ says, cached, pushed to the clone's registry."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import debian, host, registry
from .oci import INDEX, Config, Layout
from .paths import ROOT, Clone, cached, digest, making, remove_tree
from .report import call, say, timed

SEED = ROOT / "docker/seed"
_ARCHES = ("amd64", "arm64")
_FORMAT = "3"  # of the layouts made here: raised when this module makes them differently


@dataclass(frozen=True)
class Recipe:
    """One [[image]] of images.toml; the comments there say what the fields mean."""

    name: str
    tags: list[str]
    suite: str
    packages: list[str]
    variant: str
    setup: str
    cmd: list[str]
    env: list[str] = field(default_factory=list[str])
    foreign: list[str] = field(default_factory=list[str])
    trust: bool = True

    def key(self) -> str:
        names = (self.setup, "common.sh", "busybox-applets.txt")
        files = [(SEED / name).read_bytes() for name in names]
        site = "\0".join(_site().values()) if self.trust else ""
        return f"base-{self.name}-{debian.host_arch()}-{digest(_FORMAT, repr(self), site, *files)}"


def recipes() -> list[Recipe]:
    data: dict[str, list[dict[str, Any]]] = tomllib.loads((SEED / "images.toml").read_text())
    return [Recipe(**entry) for entry in data["image"]]


def _site() -> dict[str, str]:
    """What a base image takes over from this host, as environment of its setup script."""
    return {
        "RIG_AUTHORITIES": "\n".join(host.extra_authorities()),
        "RIG_PIP_CONF": host.pip_config(),
        "RIG_APT_CONF": host.apt_options(),
    }


def obtain(recipe: Recipe) -> Layout:
    name = recipe.key()
    if not (there := cached(name)):
        with making(name) as (folder, fill):
            if fill:
                with timed("bases", f"{recipe.tags[0]} from Debian {recipe.suite}"):
                    _make(recipe, folder)
        there = cached(name)
        assert there
    return Layout(there)


def push(clone: Clone, recipe: Recipe) -> None:
    layout = obtain(recipe)
    client = registry.Client(registry.host(clone))
    by_repository: dict[str, list[str]] = {}
    for name in recipe.tags:
        repository, _, tag = name.partition(":")
        by_repository.setdefault(f"library/{repository}", []).append(tag)
    for repository, tags in by_repository.items():
        if layout.push(client, repository, tags):
            short = repository.removeprefix("library/")
            say("bases", "pushed " + ", ".join(f"{short}:{tag}" for tag in tags))


def _make(recipe: Recipe, folder: Path) -> None:
    layout = Layout(folder)
    layout.begin()
    manifests: list[dict[str, Any]] = []
    own = debian.host_arch()
    others = [arch for arch in _ARCHES if arch != own] if recipe.foreign else []
    for arch in (own, *others):
        root = folder / "root"
        log = Clone().sub("log") / f"base-{recipe.name}-{arch}.log"
        # A foreign root is only unpacked: nothing of it can run here, and nothing needs to.
        variant, packages = (recipe.variant, recipe.packages) if arch == own else ("extract", recipe.foreign)
        debian.root_fs(
            root, suite=recipe.suite, packages=packages, variant=variant, arch=arch, log=log, options=_SLIM
        )
        facts = folder / "facts"
        environment = {**os.environ, **_site(), "RIG_SEED": str(SEED), "RIG_FACTS": str(facts)}
        call([SEED / recipe.setup, root], env=environment)
        manifests.append(layout.add_image(_pack(root), _config(recipe, arch, _facts(facts))))
    layout.finish(manifests)


def _pack(root: Path) -> Path:
    """A tar that depends on the files alone: sorted, no time newer than the recipes' own, no user names."""
    tar = root.with_suffix(".tar")
    call(
        [
            *("tar", "--create", "--file", tar, "--directory", root, "--sort=name", "--numeric-owner"),
            *("--format=pax", "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"),
            *(f"--mtime=@{debian.EPOCH}", "--clamp-mtime", "--xattrs", "."),
        ]
    )
    remove_tree(root)
    return tar


# As in Debian's official slim images: no documentation, no translations.
_SLIM = [
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "info", "locale", "lintian")),
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
]


def _facts(file: Path) -> dict[str, str]:
    """What a setup script learned about the root it set up: NAME=value lines."""
    if not file.exists():
        return {}
    found = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE))
    file.unlink()
    return found


def _config(recipe: Recipe, arch: str, facts: dict[str, str]) -> Config:
    env = [re.sub(r"\$\{(\w+)\}", lambda match: facts[match[1]], line) for line in recipe.env]
    if recipe.trust and host.extra_authorities():
        bundle = "/etc/ssl/certs/ca-certificates.crt"
        env += [f"{name}={bundle}" for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")]
        env += ["UV_SYSTEM_CERTS=1"]
    labels = {
        "org.opencontainers.image.title": recipe.tags[0],
        "org.opencontainers.image.description": "stand-in made from Debian packages",
        "org.opencontainers.image.version": facts.get("VERSION", recipe.suite),
    }
    return Config(arch=arch, env=env, cmd=recipe.cmd, labels=labels)


def describe(clone: Clone) -> dict[str, list[str]]:
    """For `status`: which tags the registry has, which it lacks."""
    client = registry.Client(registry.host(clone))
    have: list[str] = []
    lack: list[str] = []
    for recipe in recipes():
        there = cached(recipe.key())
        root = Layout(there).index()[0] if there else None
        for name in recipe.tags:
            repository, _, tag = name.partition(":")
            pushed = root and client.tag_digest(f"library/{repository}", tag, INDEX) == root
            (have if pushed else lack).append(name)
    return {"have": have, "lack": lack}
