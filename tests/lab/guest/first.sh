#!/bin/sh
# The first process of a lab kernel. Lays a writable tree in memory over the machine's own
# files, so that nothing inside can write on the machine, and goes on in it.
#
# Told by the kernel's command line: LAB_KERNEL (uml or stock), LAB_DIR (what `make deps`
# fetched), LAB_OUT (the one directory shared with the machine for writing), LAB_GUEST (this
# directory), LAB_EXE (the test program), LAB_MODE and LAB_ARG (what to run in the end).

if [ "$LAB_KERNEL" = uml ]; then
    tree=/
    busybox=$LAB_DIR/root/bin/busybox
    share() {
        case $1 in
        extra) "$busybox" mount -t hostfs -o "$LAB_DIR/root" none "$2" ;;
        out) "$busybox" mount -t hostfs -o "$LAB_OUT" none "$2" ;;
        esac
    }
    "$busybox" insmod "$LAB_DIR"/root/usr/lib/uml/modules/*/kernel/fs/overlayfs/overlay.ko
else
    tree=/host
    busybox=/bin/busybox
fi

b() { "$busybox" "$@" || echo "lab: failed: $*"; }
b mount -t tmpfs -o mode=755,size=80% none /mnt
b mkdir /mnt/extra /mnt/upper /mnt/work /mnt/root
share extra /mnt/extra cache=loose,ro
b mount -t overlay -o "lowerdir=/mnt/extra:$tree,upperdir=/mnt/upper,workdir=/mnt/work" none /mnt/root
for dir in proc sys dev run tmp root etc; do b mkdir -p "/mnt/root/$dir"; done
b chmod 1777 /mnt/root/tmp
b mount -t proc none /mnt/root/proc
b mount -t sysfs none /mnt/root/sys
b mount -t devtmpfs none /mnt/root/dev
b mkdir -p /mnt/root/dev/pts /mnt/root/dev/shm
b mount -t devpts none /mnt/root/dev/pts
b mount -t tmpfs none /mnt/root/dev/shm
b mount -t tmpfs -o mode=755 none /mnt/root/run
b mkdir -p "/mnt/root$LAB_OUT"
share out "/mnt/root$LAB_OUT" cache=none

# Changing the root of the first process moves the kernel's own helpers too: modules that the
# kernel asks for are found in the new tree.
cd /mnt/root || exit 1
exec "$busybox" chroot . /bin/sh "$LAB_GUEST/second.sh"
