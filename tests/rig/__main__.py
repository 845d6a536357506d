"""The command line: python3 -m tests.rig up|down|status|env."""

import sys

from .cli import main

sys.exit(main(sys.argv[1:]))
