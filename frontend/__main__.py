"""The container's entry point: a script or a module. Kept short, as a script is compiled at each start."""

import gc
import sys

gc.disable()  # nothing is garbage yet: 3 ms of the imports to come
if not __package__:
    sys.path[0] = __file__.removesuffix("/frontend/__main__.py")

from frontend.process import main  # noqa: E402 (after the path is right)

main()
