#!/usr/bin/env bash
# hakube: startup-script
#
# Makes a machine a master or a node of a hakube cluster. google-startup-scripts
# runs it as root at every boot, so each step looks at what is there and does
# only what is missing: the first boot, a reboot, a boot after the power failed
# half way and a new boot disk beside the old data disk are all the same run.
#
# It is the files of scripts/startup in order, one subject each. What differs
# between Google's machines and the embedded ones is in the image's drop-ins
# below /etc/hakube, never here.
set -euo pipefail
umask 022
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive

RUN=/run/hakube         # this boot: log, lock, rendered settings with secrets
LOG=$RUN/startup.log    # all that this run printed
STEP=starting           # what `failed:` names
STEP_LINE=1             # line of LOG where STEP began
ATTEMPT=1               # main tries three times
REFUSED=3               # exit status of what trying again cannot help
RETRY=75                # exit status of an attempt that another one follows

# say prints one line for the console and the journal.
say() { printf 'hakube: %s\n' "$*"; }

# die ends the run; its words become the reason in the phase.
die() {
	printf 'hakube: %s\n' "$*" >&2
	exit 1
}

# refuse ends the run for good.
refuse() {
	printf 'hakube: %s\n' "$*" >&2
	exit "$REFUSED"
}

# step NAME FUNCTION [ARG...] tells hakube what happens now, and does it. The
# function is called plainly, not as part of a condition, because bash ignores
# set -e inside conditions.
step() {
	STEP=$1
	STEP_LINE=$(($(wc -l <"$LOG") + 1))
	phase "$STEP"
	"${@:2}"
	say "$STEP: done at ${SECONDS}s"
}

# last_line prints what the current step said last, without kubeadm's advice on
# verbosity, which is the last line of all its errors.
last_line() {
	tail -n "+$STEP_LINE" "$LOG" | tr -cd '\11\12\40-\176' |
		grep -v -e '^[[:space:]]*$' -e 'To see the stack trace' | tail -n 1 | cut -c 1-400
}

# finish is the EXIT trap of an attempt: whatever went wrong, hakube learns where
# and why, and whether it is tried again.
finish() {
	local code=$? reason word=failed seconds=$LAST_WORD
	trap - EXIT
	jobs -p | xargs -r kill 2>/dev/null || true
	if ((code != 0)); then
		reason=$(last_line) || true
		reason=${reason#hakube: }
		reason=${reason:-exit status $code}
		if ((code != REFUSED && ATTEMPT < 3 && SECONDS < 300)); then
			word=retrying
			code=$RETRY
			seconds=2
		fi
		phase "$word: $STEP: $reason" "$seconds"
	fi
	exit "$code"
}

# open_log sends all output to a file, which last_line reads, and follows that
# file to the console. A pipe to tee would lose the race with last_line. Runs of
# this script follow each other: the second waits for the first.
open_log() {
	mkdir -p "$RUN"
	chmod 0700 "$RUN"
	exec 9>"$RUN/startup.lock"
	flock 9
	rm -f "$LOG" # a child of an earlier run may still write to that one
	exec 3>&1 >>"$LOG" 2>&1
	tail -n +1 -s 0.2 -f --pid=$$ "$LOG" >&3 9>&- &
	exec 3>&-
}

# put FILE [MODE] makes FILE what stdin says, in one rename so that a reader or
# a power failure sees the old or the new file and never half of one. A file
# that says it already is left alone.
put() {
	local tmp
	mkdir -p "${1%/*}"
	tmp=$(mktemp "$1.XXXXXX")
	cat >"$tmp"
	chmod "${2:-0644}" "$tmp"
	if cmp -s "$tmp" "$1"; then
		rm -f "$tmp"
	else
		sync "$tmp"
		mv -f "$tmp" "$1"
	fi
}

# wait_until SECONDS WHAT COMMAND [ARG...] asks again until the command is
# content, and ends the run with WHAT when the time is over.
wait_until() {
	local limit=$((SECONDS + $1)) what=$2
	until "${@:3}"; do
		((SECONDS < limit)) || die "$what: not after $1 s"
		sleep 0.5
	done
}
