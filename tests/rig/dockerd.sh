# The way of dockerd into a root of its own. Run by sh -e in a new mount and pid namespace: all that is mounted here goes
# when the first process, this one, ends. Given: PIDFILE LOWER MOUNT DATA RUN ETC REPO.
read -r pid _ </proc/self/stat # still the host's /proc, so the host's number
echo "$pid" >"$PIDFILE"

mount -t tmpfs rig "$MOUNT"
mkdir "$MOUNT/upper" "$MOUNT/work" "$MOUNT/root"
mount -t overlay rig -o "lowerdir=$LOWER,upperdir=$MOUNT/upper,workdir=$MOUNT/work" "$MOUNT/root"
cd "$MOUNT/root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mkdir -p rig/run rig/old var/lib/docker etc/docker
mount --bind "$RUN" rig/run
mount --bind "$DATA" var/lib/docker
cp "$ETC/daemon.json" etc/docker/daemon.json
cp --remove-destination "$ETC/resolv.conf" etc/resolv.conf
cp "$ETC/ca-certificates.crt" etc/ssl/certs/ca-certificates.crt
# `docker run -v` names paths on the daemon's side: the clone and /tmp are there under their own names.
mount --rbind /tmp tmp
mkdir -p ".$REPO"
mount --bind "$REPO" ".$REPO"
pivot_root . rig/old
cd /
# A network namespace too: Docker's bridge and firewall rules stay out of the host's. pasta joins it to the host's network
# from user space, so containers reach what the host reaches; ports on 127.0.0.1 (the registry's) exist on both sides,
# those opened later within a second. --runas 0: as nobody it may not enter the namespace.
touch /run/net
unshare --net=/run/net true
nsenter --net=/run/net mount -t sysfs sysfs /sys
mount --rbind /rig/old/sys/fs/cgroup /sys/fs/cgroup
umount -l /rig/old
pasta --config-net --quiet --runas 0 --netns-only --netns /run/net --host-lo-to-ns-lo \
    --tcp-ports 127.0.0.1/auto --tcp-ns auto --udp-ports none --udp-ns none
# Ports that `docker run -p 80` picks: below those that pasta leaves out as short-lived.
nsenter --net=/run/net sh -c 'echo "10000 19999" >/proc/sys/net/ipv4/ip_local_port_range'
exec nsenter --net=/run/net docker-init -- dockerd --config-file /etc/docker/daemon.json
