"""Several chains in one image: `Image.merge`, and files copied from another image."""

from __future__ import annotations

from llb import graph
from llb.errors import InvalidError, InvalidTypeError
from llb.image import arguments
from llb.image.chain import Chain, chained, started, step_of
from llb.image.step import Lowered, Step, closed_error, lower_step
from llb.location import caller

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Self

    from llb.graph import Meta, State
    from llb.image.build import Build
    from llb.image.image import Image
    from llb.oci import History


class Merge(Step):
    """Images on top of each other: `images` are the last steps of those after the first."""

    images: tuple[Step, ...]

    method = "merge"

    @property
    def others(self) -> tuple[Step, ...]:
        return self.images

    @property
    def vertices(self) -> int:
        return 1

    def announce(self, build: Build) -> None:
        for other in self.images:
            if other.closes:
                raise closed_error(self, other)
        if not _can_merge(build):  # their own steps run once more
            known = set(_chain(self.parent))
            for other in self.images:
                above = _chain(other)
                build.total += sum([step.vertices for step in above if step not in known])
                known.update(above)

    def lower(self, below: Lowered, build: Build) -> Lowered:
        lowered = [build.lowered[other] for other in self.images]
        below = below.forced(any(one.ignore_cache for one in lowered))
        meta, joined = build.joined_meta(
            self, f"merge {len(lowered) + 1} images", ignore_cache=below.ignore_cache
        )
        if not _can_merge(build):
            return self._one_after_the_other(below, build, meta)
        parts = [below.state]
        result = below
        for own, common in self._parts(build):
            last = build.lowered[own[-1]] if own else common
            if last is None or not own:
                continue
            start = common.state if common is not None else graph.scratch()
            parts.append(graph.diff(start, last.state, meta=joined))
            for entry in _layers(last, common):
                result = result.then(result.state, entry)
        merged = graph.merge([one for one in parts if one.vertex is not None], meta=meta)
        return result.on(below.state.with_output_of(merged))

    def _parts(self, build: Build) -> list[tuple[list[Step], Lowered | None]]:
        """For each other image: its own steps, and what the last one that it shares with those before gave.

        Equal steps of two chains are shared even if they were written twice. Without one, all are its own.
        """
        chains = [_chain(one) for one in (self.parent, *self.images)]
        states = [build.lowered[step].state for chain in chains for step in chain]
        digests = iter(
            graph.output_digests(states, platform=build.platform, caps=build.resolver.capabilities)
        )
        named = [[(step, next(digests)) for step in chain] for chain in chains]
        known = {digest for _, digest in named[0]}
        found: list[tuple[list[Step], Lowered | None]] = []
        for chain in named[1:]:
            shared = max(
                [at for at, (_, digest) in enumerate(chain) if digest and digest in known], default=-1
            )
            common = build.lowered[chain[shared][0]] if shared >= 0 else None
            found.append(([step for step, _ in chain[shared + 1 :]], common))
            known.update([digest for _, digest in chain])
        return found

    def _one_after_the_other(self, below: Lowered, build: Build, meta: Meta) -> Lowered:
        """The same on an engine without merge: what the others do is done on top, or copied there."""
        for own, common in self._parts(build):
            if not own:
                continue
            if common is not None:
                on = common.replace(
                    state=common.state.with_output_of(below.state),
                    histories=below.histories,
                    ignore_cache=below.ignore_cache,
                )
                for step in own:
                    on = lower_step(step, on, build)
                below = below.replace(state=below.state.with_output_of(on.state), histories=on.histories)
            else:
                other = build.lowered[own[-1]].state
                below = below.on(below.state.with_output_of(_copied(below.state, other, "/", "/", meta)))
                below = below.then(below.state, build.history("COPY / / # buildkit"))
        return below


def _can_merge(build: Build) -> bool:
    return build.supports("mergeop") and build.supports("diffop")


def _chain(last: Step | None) -> list[Step]:
    """The steps of one chain, without those that it joins."""
    steps: list[Step] = []
    while last is not None:
        steps.append(last)
        last = last.parent
    steps.reverse()
    return steps


def _layers(last: Lowered, common: Lowered | None) -> list[History]:
    """The history entries of the layers that a chain has above what it shares."""
    entries: list[History] = []
    link = last.histories
    while link is not None and (common is None or link is not common.histories):
        link, entry = link
        entries.append(entry)
    entries.extend(reversed(last.config.history) if common is None else ())
    return [entry for entry in reversed(entries) if not entry.empty_layer]


def _copied(state: State, source: State, src: str, dst: str, meta: Meta) -> State:
    action = graph.copy(
        source,
        src,
        dst,
        follow_symlinks=True,
        contents_only=True,
        create_dest=True,
        wildcard=True,
        empty_wildcard=True,
    )
    return state.file(action, meta=meta)


class CopyFrom(Step):
    """Files of another image."""

    image: Step
    src: str
    dst: str

    method = "copy_from"

    @property
    def others(self) -> tuple[Step, ...]:
        return (self.image,)

    @property
    def vertices(self) -> int:
        return 1

    def lower(self, below: Lowered, build: Build) -> Lowered:
        other = build.lowered[self.image]
        if other.state.vertex is None:
            raise InvalidError(
                f"there is nothing in the image that {self.src} would be copied from",
                hint="Add files to it first, or start it from a base.",
            )
        below = below.forced(other.ignore_cache)
        meta = build.meta(self, f"copy_from {self.src} {self.dst}", ignore_cache=below.ignore_cache)
        state = _copied(below.state, other.state, self.src, self.dst, meta)
        return below.then(state, build.history(f"COPY {self.src} {self.dst} # buildkit"))


class Joins(Chain):
    """The methods of `Image` that put several images together."""

    __slots__ = ()

    @classmethod
    @started
    def merge(cls, *images: Image) -> Self:
        """Join images: what each does beyond the steps that it shares with those before, on top of the first.

        They are built beside each other, and an edit of one builds no other anew. Where two of them write the
        same file, the later one wins; what one removes is gone. Environment, working directory, command and
        the rest of the config are the first image's.

        Steps are shared if they are equal from the base up. Images that share nothing are laid on top of each
        other whole. On an engine that cannot merge (Docker's classic image store), the steps of the others
        run once more, on top of the first, and see its files.

        Args:
            *images: two or more.

        Raises:
            InvalidTypeError: one of them is not an image.
            InvalidError: there are less than two. That files were added to one without `copy=True` is found
                when the image is compiled.

        Example:
            ```python
            base = Image.debian_slim("3.12").apt_install("git")
            data = base.run_commands("git clone https://example.com/data /data")
            image = Image.merge(base.pip_install("torch"), data)
            ```
        """
        steps = [step_of(image) for image in images]
        if len(steps) < 2:
            raise InvalidError(
                f"merge joins two images or more, not {len(steps)}",
                hint="Write Image.merge(one, other); of a sequence, write Image.merge(*images).",
            )
        return cls._of(Merge(steps[0], caller(), tuple(steps[1:])))

    @chained
    def copy_from(self, other: Image, src: str | os.PathLike[str], dst: str | os.PathLike[str]) -> Self:
        """Copy files of another image. It is built beside this one, and nothing else of it gets in.

        Args:
            other: the image to copy from.
            src: an absolute path in it: a file, or a directory whose contents are copied. `*`, `?` and `[…]`
                match names; a pattern that matches nothing copies nothing.
            dst: where it goes in this image, absolute. With a final `/` it is a directory to copy into.

        Raises:
            InvalidTypeError: `other` is not an image, or a path is not a path.
            InvalidError: a path is not absolute. That the file is missing is found when the image is built.

        Example:
            ```python
            tools = Image.from_registry("golang:1.24").run_commands("go build -o /out/tool host/tool")
            image = Image.debian_slim().copy_from(tools, "/out/tool", "/usr/local/bin/tool")
            ```
        """
        if isinstance(other, str):
            raise InvalidTypeError(
                f"other must be an Image, not str: {arguments.shown(other)}",
                hint=f"Write Image.from_registry({arguments.shown(other)}).",
            )
        example = 'copy_from(image, "/out/tool", "/usr/local/bin/tool")'
        return self._then(
            CopyFrom,
            step_of(other),
            arguments.remote_path("src", src, example),
            arguments.remote_path("dst", dst, example),
        )
