"""Real engines for the tests: BuildKit, a registry, Docker Engine and base images, on one machine, without a container registry.

`python3 -m tests.rig up` starts them; `.engine/env` says where they are. Standard library only: it runs before any venv exists.
"""
