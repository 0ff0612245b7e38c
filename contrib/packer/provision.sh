#!/bin/sh
# provision.sh: makes a new FreeBSD the appliance: Sky Island built from /root/sky-island.tar, as a service with a token of its own.
# RELEASE_URL is where the jails' base comes from at the first start. Sky Island is compiled, linked, model-tested; not yet run
# on FreeBSD.
set -eu

mkdir -p /root/sky-island
tar -C /root/sky-island -xf /root/sky-island.tar
cd /root/sky-island
env ASSUME_ALWAYS_YES=yes pkg bootstrap
tools/packages build
./dev install

# Jails' limits need racct, which the kernel has only where it is told so at its start.
sysrc -f /boot/loader.conf kern.racct.enable=1
sysrc jail_enable=YES sky_island_enable=YES sky_island_token_enable=YES
zfs create -o mountpoint=none zroot/sky
install -m 755 contrib/packer/sky_island_token /usr/local/etc/rc.d/sky_island_token

cat >/usr/local/etc/sky-island/config.json <<end
{
    "listen": "0.0.0.0",
    "http_port": 3280,
    "function_token": {"file": "/usr/local/etc/sky-island/function-token"},
    "base_sys_pkg_url": "$RELEASE_URL",
    "filesystem": {"type": "zfs", "zfs_dataset": "zroot/sky", "compression": true},
    "jails": {"build": {"memory": "2GiB", "tmp": "1GiB"}}
}
end
