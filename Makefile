# The four commands of everyday work: setup, check, test, bench. `make help` lists the rest.
SHELL := /bin/bash -o pipefail
PY := .venv/bin/python
ENGINE := $(PY) -m tests.rig up
WITH_ENGINE := . .engine/env &&

.PHONY: help setup check unit test bench demo engine engine-stop frontend proto freeze golden format clean

help:            ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 16

setup:           ## .venv with everything that work here needs (a second run does nothing)
	@scripts/setup

check: setup     ## lint, types, import rules, unit tests: seconds, no engine
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/pyright --warnings
	@.venv/bin/lint-imports --no-logo | tail -n 1
	@$(PY) proto/generate.py --check
	@$(PY) -m pytest -q tests/unit tests/golden

engine: setup    ## real engines for tests and demo in .engine (buildkitd, registry, Docker); writes .engine/env
	@$(ENGINE)

engine-stop:     ## stop what `make engine` started
	@python3 -m tests.rig down

frontend: engine ## build the frontend image and push it to the rig's registry
	@$(WITH_ENGINE) $(PY) docker/frontend_image.py --push "$$REGISTRY/llbpy/frontend:dev"

test: setup      ## all tests, on real engines
	@scripts/test

bench: setup     ## benchmarks, side by side in one run
	@scripts/bench

demo: setup      ## build examples/hello on a real BuildKit, and run what it built
	@scripts/demo

proto: setup     ## regenerate llb/pb from proto/
	@$(PY) proto/generate.py

freeze: setup    ## write the frozen digests of the builder versions anew (tests/golden/recipes.json)
	@$(PY) -m tests.golden.recipes --freeze

golden: setup    ## regenerate the frozen digests with BuildKit's own Go client
	@$(PY) -m tests.golden.definitions --update
	@$(PY) -m tests.unit.image.dockerfile_cases > tests/golden/cases.json.tmp
	@cd tests/golden && go run ../unit/image/dockerfile_definitions.go < cases.json.tmp > definitions.json.tmp
	@mv tests/golden/definitions.json.tmp tests/unit/image/dockerfile_definitions.json; rm tests/golden/cases.json.tmp

format: setup    ## let ruff format and fix
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

clean:           ## remove what this clone made (engines are stopped; the machine's cache stays)
	@-python3 -m tests.rig down
	@rm -rf .venv .engine dist .pytest_cache .ruff_cache .hypothesis
