"""`python -m llb.cli`: the same as `llb`."""

from llb.cli import main

main()
