#!/bin/sh
# Setup of the busybox stand-in. $1: the root file system, unpacked only: it may be of another architecture.
set -eu
root=$1

rm -rf "$root"/etc/* "$root"/var/* "$root"/usr/share "$root"/dev/*
mkdir -p "$root/bin" "$root/usr/bin"
while read -r applet; do
    [ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
done <"$RIG_SEED/busybox-applets.txt"
ln -s /bin/busybox "$root/usr/bin/env"

mkdir -p "$root/root" "$root/home" "$root/tmp" "$root/var/spool" "$root/var/www"
chmod 700 "$root/root"
chmod 1777 "$root/tmp"
printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false \
    nobody:x:65534:65534:nobody:/home:/bin/false >"$root/etc/passwd"
printf '%s\n' root:x:0: daemon:x:1: tty:x:5: nobody:x:65534: >"$root/etc/group"
