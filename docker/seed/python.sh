#!/bin/sh
# Setup of the python stand-ins. $1: the root file system.
# The official images have their interpreter in /usr/local/bin; here those names lead to Debian's.
set -eu
root=$1
. "$RIG_SEED/common.sh"

mkdir -p "$root/usr/local/bin" "$root/dev" "$root/run" "$root/tmp" # a foreign root is only unpacked
newest=$(cd "$root/usr/bin" && ls -d python3.[0-9]* | grep -E '^python3\.[0-9]+$' | sort -t. -k2n | tail -1)
for name in python python3 "$newest"; do
    ln -s "/usr/bin/$newest" "$root/usr/local/bin/$name"
done
# `pip` of the interpreter above, whichever python3 Debian's own script would pick.
for name in pip pip3 "pip${newest#python}"; do
    printf '#!/usr/local/bin/python3\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n' \
        >"$root/usr/local/bin/$name"
    chmod 755 "$root/usr/local/bin/$name"
done
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED

take_over_host
tidy
version=$(chroot "$root" /usr/local/bin/python3 -c 'import platform; print(platform.python_version())' 2>/dev/null ||
    echo "${newest#python}")
echo "PYTHON_VERSION=$version" >"$RIG_FACTS"
