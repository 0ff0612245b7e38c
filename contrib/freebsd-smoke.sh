#!/bin/sh
# shellcheck disable=SC2317 # steps are called by their names
# freebsd-smoke.sh: proves on a real FreeBSD, in one go, what can only be compiled, linked and model-tested elsewhere. As
# root, on 14.0 or later, in a checkout; it reaches the Go module proxy. Each step says what it does and what came of it, all are
# taken whatever came of those before, and the last line counts. Nothing stays but packages and build/.
#
#   BSDINSTALL_DISTSITE  required: the directory of this host's release on a mirror of FreeBSD, the one with MANIFEST in it, by
#                     https:// or file:///; the jails' base comes from there
#   SKY_SMOKE_STATE   the state directory, made and removed again (/var/tmp/sky-island-smoke)
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
}
trap stop_at_exit EXIT

finish() {
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

# What of ours there is: jails, mounts, limits, anchors, processes.
left() {
	jls name 2>/dev/null | grep '^sky-'
	mount -p 2>/dev/null | grep -F "$state"
	rctl 2>/dev/null | grep '^jail:sky-'
	pfctl -s Anchors 2>/dev/null | grep 'sky-'
	pgrep -lx sky-island
	pgrep -lx jailer
	true
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
	printf '{"state_dir": "%s", "http_port": 0, "metrics": {"statsd": null}%s}\n' "$state" "$network" >"$config"
	cat "$config"
}

island() {
	build/sky-island -c "$config" "$@"
}

started() {
	: >"$log"
	build/sky-island -c "$config" 2>"$log" &
	server=$!
	waited=0
	while [ ! -s "$state/run/address" ]; do
		if ! kill -0 "$server" 2>/dev/null || [ "$waited" -ge 600 ]; then
			cat "$log"
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

jails_listed() {
	answer=$(curl -sS -m 60 -H "X-Sky-Island-Token: $(cat "$state/admin-token")" "$address/api/v1/admin/jails") || return 1
	say "    $answer"
	jls -N jid name path ip4.addr
	jls name | grep -q '^sky-' || return 1
	case $answer in
	*'"jails"'*) ;;
	*) return 1 ;;
	esac
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
	island destroy --yes && [ ! -e "$state" ]
}

# ---- all of them ----

step "this host: FreeBSD 14 or later, root" host_fits || finish
step "where the jails' base comes from" base_named || finish
step "nothing of an earlier run" nothing_there_yet || finish
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
[ -z "${SKY_SMOKE_IP4:-}" ] ||
	step "a call with an address of its own" call '{"url": "strings", "call": "ToUpper(\"ip4\")", "ip4": true}' IP4
step "jails, as Sky Island and as jls(8) list them" jails_listed
step "a jailer is killed, and another serves" jailer_killed
step "stopped" stopped
step "nothing is left: jails, mounts, limits, anchors, processes, files" nothing_left
step "sky-island destroy: the state directory is gone" destroyed
finish
