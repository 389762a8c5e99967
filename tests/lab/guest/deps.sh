#!/bin/sh
# Fetches what the lab needs: two kernels, qemu, and the Debian programs that run inside.
#
# Nothing is installed: packages are downloaded and unpacked below the lab's own directory,
# so no daemon of theirs ever starts on this machine. Needs apt, dpkg and tar, but not root
# (except once, when the machine has no package lists at all).
set -eu

lab=${1:?usage: deps.sh DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$lab"
lab=$(cd "$lab" && pwd)
exec 9>"$lab/lock"
flock 9
wanted="$(cksum <"$here/deps.sh") $(cksum <"$here/initramfs.sh")"
if [ "$(cat "$lab/complete" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

echo "lab: fetching kernels, qemu and Debian programs into $lab (once, about 115 MB, nothing is installed)"

packages="busybox-static kmod user-mode-linux qemu-system-x86 nginx keepalived ipvsadm ipset
    iptables nftables tcpdump arping iputils-ping conntrack systemd systemd-sysv dbus procps
    iproute2 curl openssl dnsmasq-base network-manager"

quiet() { "$@" >"$lab/deps.log" 2>&1 || { cat "$lab/deps.log" >&2; exit 1; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
kernel_package() { apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p'; }
# Everything, whatever is installed here: what is unpacked must not change with this machine.
fetch() {
    # shellcheck disable=SC2086 # the list is meant to split
    apt-get -y -q --no-install-recommends --download-only -o Debug::NoLocking=1 \
        -o Dir::State::status=/dev/null -o Dir::Cache::archives="$lab/debs" install $packages &&
        (cd "$lab/debs" && apt-get -q download "$(kernel_package)")
}

mkdir -p "$lab/debs/partial"
[ -n "$(kernel_package)" ] || quiet as_root apt-get update
# Lists that are too old name files that are gone: refresh them and try once more.
fetch >"$lab/deps.log" 2>&1 || { quiet as_root apt-get update; quiet fetch; }

# Debian's /bin, /sbin and /lib are links into /usr; older packages still ship files under
# the old names, which must land behind the links.
rm -rf "$lab/root"
mkdir -p "$lab/root/usr/bin" "$lab/root/usr/sbin" "$lab/root/usr/lib" "$lab/root/usr/lib64"
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$lab/root/$dir"; done
for deb in "$lab"/debs/*.deb; do
    case $deb in
    */linux-image-*)
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$lab/root" --no-same-owner \
            --wildcards --exclude='*/drivers/net/ethernet' --exclude='*/drivers/net/wireless' \
            './boot/vmlinuz*' './lib/modules/*/modules.*' './lib/modules/*/kernel/net' \
            './lib/modules/*/kernel/lib' './lib/modules/*/kernel/crypto' './lib/modules/*/kernel/arch' \
            './lib/modules/*/kernel/fs' './lib/modules/*/kernel/drivers/virtio' \
            './lib/modules/*/kernel/drivers/net'
        ;;
    *)
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$lab/root" --no-same-owner
        ;;
    esac
done
rm -rf "$lab/debs"

# What maintainer scripts would have done. The legacy iptables work on both kernels.
for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -sf xtables-legacy-multi "$lab/root/usr/sbin/$tool"
done
mkdir -p "$lab/root/etc/lvsd" "$lab/root/etc/keepalived" "$lab/root/var/lib/nginx" "$lab/root/var/log/nginx"
for uml in "$lab"/root/usr/lib/uml/modules/*; do
    ln -sfn "../uml/modules/${uml##*/}" "$lab/root/usr/lib/modules/${uml##*/}"
done
for modules in "$lab"/root/usr/lib/modules/*-amd64; do
    "$lab/root/lib64/ld-linux-x86-64.so.2" --argv0 depmod \
        --library-path "$lab/root/usr/lib/x86_64-linux-gnu" "$lab/root/usr/bin/kmod" -b "$lab/root" "${modules##*/}"
done
mv "$lab"/root/boot/vmlinuz-* "$lab/vmlinuz"
sh "$here/initramfs.sh" "$lab"
echo "$wanted" >"$lab/complete"
echo "lab: ready"
