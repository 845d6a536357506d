#!/bin/sh
# Setup of the debian stand-ins. $1: the root file system.
set -eu
root=$1
. "$RIG_SEED/common.sh"

take_over_host
tidy
