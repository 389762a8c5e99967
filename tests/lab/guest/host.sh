#!/bin/sh
# The first process of a host's namespaces: gives it its own name, /proc, /sys, /run, /etc
# and /var, says "ready" and stays, reaping orphans.
# A host's /etc and /var begin as copies on write of the tree's.
b() { "$LAB_BUSYBOX" "$@" || { echo "failed: $*"; exit 1; }; }
b mount --make-rprivate /
b hostname "$1"
b mount -t proc none /proc
b mount -t sysfs none /sys
b mount -t tmpfs -o mode=755 none /mnt
b mkdir /mnt/etc /mnt/etc.work /mnt/var /mnt/var.work
for dir in etc var; do
    b mount -t overlay -o "lowerdir=/$dir,upperdir=/mnt/$dir,workdir=/mnt/$dir.work" none "/$dir"
done
b mount -t tmpfs -o mode=755 none /run
b mkdir /run/lock
echo "$1" >/etc/hostname
echo ready
exec >&- <&-
while :; do
    sleep 86400 &
    wait $!
done
