#!/bin/bash
# What a container runs: its command, in the environment.
set -ef -o pipefail
MAMBA_ACTIVATE=1
. /usr/local/bin/_activate_current_env.sh
exec "$@"
