# Sourced by the setup scripts; "$root" is the root file system being set up. It takes over what the host has of its own.

take_over_host() {
    if [ -n "$RIG_AUTHORITIES" ]; then
        # Where update-ca-certificates looks too, so that a package which runs it later does not drop them again.
        mkdir -p "$root/usr/local/share/ca-certificates" "$root/etc/ssl/certs"
        printf '%s\n' "$RIG_AUTHORITIES" |
            awk -v dir="$root/usr/local/share/ca-certificates" '/BEGIN CERT/ { n++ } { print > (dir "/host-" n ".crt") }'
        printf '%s\n' "$RIG_AUTHORITIES" >>"$root/etc/ssl/certs/ca-certificates.crt"
    fi
    if [ -n "$RIG_PIP_CONF" ]; then printf '%s' "$RIG_PIP_CONF" >"$root/etc/pip.conf"; fi
    if [ -n "$RIG_APT_CONF" ]; then
        mkdir -p "$root/etc/apt/apt.conf.d"
        printf '%s' "$RIG_APT_CONF" >"$root/etc/apt/apt.conf.d/90host"
    fi
}

# What differs from one run to the next, or belongs to the builder.
tidy() {
    rm -rf "$root"/var/log/* "$root"/var/cache/ldconfig/aux-cache "$root"/var/cache/debconf/*-old \
        "$root"/var/lib/apt/lists/* "$root"/var/lib/dpkg/*-old "$root"/etc/machine-id \
        "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/fstab "$root"/var/cache/apt/archives/partial
    find "$root/dev" "$root/run" "$root/tmp" -mindepth 1 -delete
    : >"$root/etc/hostname"
    : >"$root/etc/resolv.conf"
}
