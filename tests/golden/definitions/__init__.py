"""Definitions made by BuildKit's own Go client, and the same ones made by `llb.graph`.

`golden.json` holds what Go gave: digests and everything beside the ops. `python -m tests.golden.definitions
--update` makes it anew (it needs Go; modules come from the module proxy or its cache).
"""
