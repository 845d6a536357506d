#!/bin/bash
# The shell of RUN, when its environment is to be active.
set -ef -o pipefail
. /usr/local/bin/_activate_current_env.sh
exec bash -o pipefail -c "$@"
