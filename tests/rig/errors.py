"""The two ways in which a part of the rig can fail to be there."""


class RigError(Exception):
    """Something that should have worked did not; the run of `up` fails."""


class UnavailableError(RigError):
    """This machine cannot have the part: tests that need it skip with this reason, and `up` succeeds."""
