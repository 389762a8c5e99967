#!/bin/sh
# Builds the first file system of the stock kernel: busybox and the modules that reach the
# machine's own files. The rest is `first.sh`, which it takes from there.
set -eu

lab=${1:?usage: initramfs.sh DIRECTORY}
image=$lab/initramfs
modules=$(echo "$lab"/root/usr/lib/modules/*-amd64)
rm -rf "$image"
mkdir -p "$image/bin" "$image/modules" "$image/proc" "$image/mnt" "$image/host"
cp "$lab/root/bin/busybox" "$image/bin/busybox"
number=10
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci 9pnet \
    9pnet_virtio netfs fscache 9p overlay; do
    file=$(find "$modules/" -name "$module.ko")
    if [ -n "$file" ]; then
        cp "$file" "$image/modules/$number-$module.ko"
    elif ! grep -q "/$module.ko" "$modules/modules.builtin"; then
        echo "no module $module in $modules" >&2
        exit 1
    fi
    number=$((number + 1))
done
cat >"$image/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
for module in /modules/*.ko; do insmod "$module"; done
share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2"; }
share host /host cache=loose,ro
. "/host$LAB_GUEST/first.sh"
INIT
chmod +x "$image/init"
(cd "$image" && find . | "$lab/root/bin/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >"$lab/initramfs.gz"
rm -rf "$image"
