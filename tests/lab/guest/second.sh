#!/bin/sh
# Goes on in the writable tree: modules, names, then what the boot is for.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-linux}"
cd /
busybox hostname lab
busybox ifconfig lo up
modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh ip_vs_sed ip_vs_nq ip_vs_dh \
    ip_vs_fo ip_vs_ovf ip_vs_lblc ip_vs_lblcr ipv6 bridge veth dummy macvlan ipip ip6_tunnel \
    sch_netem
if [ "$LAB_MODE" = inside-systemd ]; then
    "$LAB_EXE" --inside-systemd-units && exec /lib/systemd/systemd
else
    "$LAB_EXE" "--$LAB_MODE"
fi
echo "lab: done"
busybox poweroff -f
