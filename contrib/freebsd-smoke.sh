#!/bin/sh
# shellcheck disable=SC2317 # steps are called by their names
# freebsd-smoke.sh: proves on a real FreeBSD, in one go, what elsewhere is compiled, linked, model-tested; not yet run on
# FreeBSD. As root, on 14.0 or later, in a checkout; it reaches the Go module proxy. Each step says what it does and what came
# of it, all are taken whatever came of those before, and the last line counts; what this host could not prove stands before
# it. Nothing stays but packages and build/. Where Sky Island is installed (./dev install), its rc.d script runs it once too,
# with the configuration of this test.
#
#   BSDINSTALL_DISTSITE  required: the directory of this host's release on a mirror of FreeBSD, the one with MANIFEST in it, by
#                     https:// or file:///; the jails' base comes from there
#   SKY_SMOKE_STATE   the state directory, made and removed again (/var/tmp/sky-island-smoke)
#   SKY_SMOKE_ZFS     POOL/DATASET, which is there: jails' roots are clones in it; without it they are plain directories
#   SKY_SMOKE_IP4     network.ip4 as JSON, to try a jail with an address too:
#                     '{"interface": "em0", "start_addr": "10.0.0.2", "range": 20, "mask": "255.255.255.0", "gateway": "10.0.0.1"}'
set -u
cd "$(dirname "$0")/.." || exit 1

state=${SKY_SMOKE_STATE:-/var/tmp/sky-island-smoke}
config=build/smoke.json
log=build/smoke.log
passed=0
failed=0
number=0
server=
before=
datasets=
unproven=
script=/usr/local/etc/rc.d/sky_island
settings=/etc/rc.conf.d/sky_island
settings_ours=

# Each word is a line.
say() {
	printf '%s\n' "$@"
}

# step WORDS COMMAND…: says it, does it, counts it.
step() {
	number=$((number + 1))
	say "" "==> $number. $1"
	shift
	if "$@" </dev/null; then
		passed=$((passed + 1))
		say "    ok"
	else
		failed=$((failed + 1))
		say "    FAILED: $*"
		return 1
	fi
}

stop_at_exit() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	[ -z "$settings_ours" ] || {
		service sky_island onestop
		settings_removed
	}
}
trap stop_at_exit EXIT

# What will not be known after this run.
stays_unproven() {
	unproven="$unproven
unproven: $*"
	say "" "    unproven: $*"
}

finish() {
	[ -z "$unproven" ] || say "$unproven"
	say "" "$passed passed, $failed failed, 0 skipped"
	[ "$failed" -eq 0 ]
	exit
}

# ---- steps ----

host_fits() {
	[ "$(uname -s)" = FreeBSD ] || {
		say "    this is $(uname -s)"
		return 1
	}
	[ "$(id -u)" -eq 0 ] || {
		say "    jails are made by root"
		return 1
	}
	say "    FreeBSD $(uname -r) $(uname -m); kern.racct.enable=$(sysctl -n kern.racct.enable 2>/dev/null)"
	[ "$(uname -r | cut -d. -f1)" -ge 14 ]
}

# What of ours there is: jails, mounts, limits, anchors, processes, clones. The bases' datasets stay mounted until they go.
left() {
	jls name 2>/dev/null | grep '^sky-'
	mount -p 2>/dev/null | grep -F "$state" | grep -v '[[:space:]]zfs[[:space:]]'
	[ -z "${SKY_SMOKE_ZFS:-}" ] || clones
	rctl 2>/dev/null | grep '^jail:sky-'
	pfctl -s Anchors 2>/dev/null | grep 'sky-'
	pgrep -lx 'sky-island|sky-server|sky-helper|jailer'
	true
}

# Datasets below SKY_SMOKE_ZFS that were made from a snapshot: jails' roots.
clones() {
	zfs list -H -t filesystem -o name,origin -r "$SKY_SMOKE_ZFS" | grep -v '[[:space:]]-$'
}

# All that is below it.
datasets_list() {
	zfs list -H -t all -o name -r "$SKY_SMOKE_ZFS"
}

dataset_there() {
	datasets=$(datasets_list) || {
		say "    make it, or name another by SKY_SMOKE_ZFS: zfs create -p $SKY_SMOKE_ZFS"
		return 1
	}
	say "$datasets"
}

# Without it `-i` would stop, behind minutes of building.
base_named() {
	case ${BSDINSTALL_DISTSITE:-} in
	https://* | file:///*) say "    $BSDINSTALL_DISTSITE" ;;
	*)
		say "    BSDINSTALL_DISTSITE is '${BSDINSTALL_DISTSITE:-}': set it to the directory of $(uname -r | sed 's/-p[0-9]*$//') on a mirror" \
			"    of FreeBSD, the one with MANIFEST in it, by https:// or file:///"
		return 1
		;;
	esac
}

nothing_there_yet() {
	[ ! -e "$state" ] || {
		say "    $state is there: remove it, or name another by SKY_SMOKE_STATE"
		return 1
	}
	before=$(left)
	[ -z "$before" ] || say "    of others, who must neither come nor go meanwhile:" "$before"
}

configured() {
	mkdir -p build
	network=
	[ -z "${SKY_SMOKE_IP4:-}" ] || network=", \"network\": {\"ip4\": $SKY_SMOKE_IP4}"
	filesystem=
	[ -z "${SKY_SMOKE_ZFS:-}" ] || filesystem=", \"filesystem\": {\"type\": \"zfs\", \"zfs_dataset\": \"$SKY_SMOKE_ZFS\"}"
	printf '{"state_dir": "%s", "http_port": 0, "metrics": {"statsd": null}%s%s}\n' "$state" "$network" "$filesystem" >"$config"
	cat "$config"
}

island() {
	build/sky-island -c "$config" "$@"
}

started() {
	: >"$log"
	build/sky-island -c "$config" 2>"$log" &
	server=$!
	address_waited kill -0 "$server" || {
		cat "$log"
		return 1
	}
}

# address_waited COMMAND…: where it serves, once it does; given up where the command fails.
address_waited() {
	waited=0
	while [ ! -s "$state/run/address" ]; do
		if ! "$@" >/dev/null 2>&1 || [ "$waited" -ge 600 ]; then
			return 1
		fi
		sleep 1
		waited=$((waited + 1))
	done
	address=$(cat "$state/run/address")
	say "    $address"
}

# call JSON EXPECTED: the answer's status is 200 and it has that.
call() {
	answer=$(curl -sS -m 600 -w ' %{http_code}' -d "$1" "$address/api/v1/function") || return 1
	say "    $1" "    -> $answer"
	case $answer in
	*"$2"*" 200") ;;
	*) return 1 ;;
	esac
}

# refused JSON CODE: a 422 with that code.
refused() {
	answer=$(curl -sS -m 600 -w ' %{http_code}' -d "$1" "$address/api/v1/function") || return 1
	say "    $1" "    -> $answer"
	case $answer in
	*"\"$2\""*" 422") ;;
	*) return 1 ;;
	esac
}

# as_jls JID PARAMETER VALUE: jls(8) has the same, or the jail is gone by now.
as_jls() {
	theirs=$(jls -j "$1" "$2" 2>/dev/null) || return 0
	case $theirs in
	'' | -) theirs=null ;;
	esac
	compared=$((compared + 1))
	[ "$theirs" = "$3" ] || {
		say "    jail $1: $2 is $3, jls says $theirs"
		return 1
	}
}

jails_listed() {
	answer=$(curl -sS -m 60 -H "X-Sky-Island-Token: $(cat "$state/admin-token")" "$address/api/v1/admin/jails") || return 1
	say "    $answer"
	jls -N jid name path host.hostname ip4.addr osrelease
	compared=0
	differ=0
	while read -r jid name release path hostname ip4; do
		as_jls "$jid" jid "$jid" && as_jls "$jid" name "$name" && as_jls "$jid" path "$path" &&
			as_jls "$jid" host.hostname "$hostname" && as_jls "$jid" ip4.addr "$ip4" &&
			as_jls "$jid" osrelease "$release" || differ=1
	done <<-END
		$(say "$answer" | tr '{' '\n' | tr -d '"' |
			sed -n 's/.*ip4:\([^,]*\),.*jid:\([^,]*\),name:\([^,]*\),OSRelease:\([^,]*\),path:\([^,]*\),hostname:\([^,]*\),.*/\2 \3 \4 \5 \6 \1/p')
	END
	[ "$compared" -ge 6 ] && [ "$differ" -eq 0 ]
}

jails_are_clones() {
	clones | tee build/smoke.clones
	[ -s build/smoke.clones ]
}

limits_are_set() {
	rctl | grep '^jail:sky-' | tee build/smoke.limits
	[ -s build/smoke.limits ]
}

jailer_killed() {
	jailer=$(pgrep -o -P "$server" -x jailer || pgrep -o -P "$server" '^sky-[0-9a-f]') || {
		say "    no process of the server is a jailer"
		return 1
	}
	kill -9 "$jailer"
	tries=0
	until call '{"url": "strings", "call": "Repeat(\"ab\", 2)"}' abab; do # those that it ran end with it
		tries=$((tries + 1))
		[ "$tries" -lt 10 ] || return 1
		sleep 1
	done
}

stopped() {
	kill "$server"
	wait "$server"
	status=$?
	server=
	[ "$status" -eq 0 ] || {
		cat "$log"
		say "    it ended with status $status"
		return 1
	}
}

# The script reads the host's configuration; for this run it is told ours by a file that it reads besides.
service_started() {
	if [ -e "$settings" ] || service sky_island onestatus; then
		say "    it runs, or $settings is there: this host's service is its owner's"
		return 1
	fi
	rm -f "$state/run/address"
	settings_ours=true
	mkdir -p "${settings%/*}" && say "sky_island_config=\"$PWD/$config\"" >"$settings" || return 1
	service sky_island onestart || return 1
	sleep 1 # daemon(8) writes the pid after it has let go of the script
	address_waited service sky_island onestatus && service sky_island onestatus
}

settings_removed() {
	rm -f "$settings"
	rmdir "${settings%/*}" 2>/dev/null # where others have files, it stays
	settings_ours=
}

service_stopped() {
	[ -n "$settings_ours" ] || return 1
	service sky_island onestop || return 1
	settings_removed
	! service sky_island onestatus
}

nothing_left() {
	after=$(left)
	[ "$after" = "$before" ] || {
		say "    before:" "$before" "    after:" "$after"
		return 1
	}
	rest=$(find "$state/run/jails" "$state/tmp" -mindepth 1 2>/dev/null)
	[ -z "$rest" ] || {
		say "$rest"
		return 1
	}
}

destroyed() {
	island destroy --yes && [ ! -e "$state" ] || return 1
	[ -z "${SKY_SMOKE_ZFS:-}" ] || [ "$(datasets_list)" = "$datasets" ] || {
		datasets_list
		return 1
	}
}

# ---- all of them ----

step "this host: FreeBSD 14 or later, root" host_fits || finish
step "where the jails' base comes from" base_named || finish
step "nothing of an earlier run" nothing_there_yet || finish
if [ -n "${SKY_SMOKE_ZFS:-}" ]; then
	step "the dataset for jails' roots" dataset_there || finish
else
	stays_unproven "jails on ZFS: no SKY_SMOKE_ZFS"
fi
step "packages" tools/packages build test || finish
step "the program, with -Werror" ./dev build || finish
step "unit tests" ./dev test unit
step "a configuration" configured || finish
step "sky-island -i: base, Go, the driver's tool, the build cache" island -i || finish
step "sky-island doctor: a jail is made and removed" island doctor
step "a server" started || finish
step "a call of a module: fetched, built and run in jails" \
	call '{"url": "github.com/mmcloughlin/geohash", "call": "Encode(100.1, 80.9)"}' '"data":"j'
step "the same again, from what is there" \
	call '{"url": "github.com/mmcloughlin/geohash", "call": "Encode(100.1, 80.9)"}' '"data":"j'
step "a call of the standard library" call '{"url": "strings", "call": "ToUpper(\"freebsd\")"}' FREEBSD
step "a call that panics" refused '{"url": "strings", "call": "Repeat(\"a\", -1)"}' function_panicked
if [ "$(sysctl -n kern.racct.enable 2>/dev/null)" = 1 ]; then
	step "limits, as rctl(8) lists them" limits_are_set
	step "a call over its limit of memory" refused '{"url": "strings", "call": "Repeat(\"a\", 1073741824)"}' out_of_memory
else
	stays_unproven "jails' limits: kern.racct.enable is not 1; put kern.racct.enable=1 into /boot/loader.conf and reboot"
fi
if [ -n "${SKY_SMOKE_IP4:-}" ]; then
	step "a call with an address of its own" call '{"url": "strings", "call": "ToUpper(\"ip4\")", "ip4": true}' IP4
else
	stays_unproven "addresses: no SKY_SMOKE_IP4"
fi
[ -z "${SKY_SMOKE_ZFS:-}" ] || step "jails' roots are clones" jails_are_clones
step "jails, as Sky Island and as jls(8) list them" jails_listed
step "a jailer is killed, and another serves" jailer_killed
step "stopped" stopped
step "nothing is left: jails, mounts, limits, anchors, processes, clones, files" nothing_left
if [ -x "$script" ]; then
	step "service sky_island onestart, onestatus" service_started
	step "a call of the service" call '{"url": "strings", "call": "ToUpper(\"service\")"}' SERVICE
	step "service sky_island onestop" service_stopped
	step "nothing is left of the service" nothing_left
else
	stays_unproven "the service: no $script; ./dev install brings it"
fi
step "sky-island destroy: the state directory is gone" destroyed
finish
