"""The container's entry point: a script or a module. Kept short, as a script is compiled at each start."""

import sys

if not __package__:
    sys.path[0] = __file__.removesuffix("/frontend/__main__.py")

from frontend.process import main

main()
