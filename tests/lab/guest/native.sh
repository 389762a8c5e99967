#!/bin/sh
# Runs scenarios in namespaces of the machine's own kernel: what `make deps` unpacked is laid
# over /usr, and /etc and /var become copies on write, for these processes alone.
mount --make-rprivate /
mount -t tmpfs none /mnt || exit 1
for dir in usr etc var; do
    mkdir "/mnt/$dir" "/mnt/$dir.work"
    mount -t overlay -o "lowerdir=$LAB_DIR/root/$dir:/$dir,upperdir=/mnt/$dir,workdir=/mnt/$dir.work" \
        none "/$dir" || exit 1
done
mount -t tmpfs -o mode=755 none /run
ip link set lo up
"$LAB_EXE" "--$LAB_MODE"
echo "lab: done"
