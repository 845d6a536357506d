"""`python -m llb`: the same as `llb`."""

from llb.cli import main

main()
