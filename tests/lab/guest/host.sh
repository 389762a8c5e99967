#!/bin/sh
# The first process of a host's namespaces: mounts its /proc, says "ready" and stays, reaping
# orphans.
"$LAB_BUSYBOX" mount -t proc none /proc || exit 1
echo ready
exec >&- <&-
while :; do
    sleep 86400 &
    wait $!
done
