"""Real engines for the tests: BuildKit, a registry, Docker Engine, base images, without a registry in reach.

`python3 -m tests.rig up` starts them; `.engine/env` says where they are. Standard library only: it runs
before a venv exists.
"""
