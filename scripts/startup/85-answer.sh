# shellcheck shell=bash
# Scripts over ssh that are made of the startup-script's functions.

ON_FAILURE= # the phase to go back to when such a script fails

# answer_with FUNCTION [ARG...] runs one after the startup-script and others of
# its kind, with all output in the log, and the reason of a failure on stderr.
# The answer on stdout is its caller's. Use with </dev/null: stdin is the rest of
# the script.
answer_with() {
	mkdir -p "$RUN"
	exec 9>>"$RUN/startup.lock"
	flock -w 300 9 || die "the startup-script does not come to an end"
	touch "$LOG"
	STEP_LINE=$(($(wc -l <"$LOG") + 1))
	exec 4>&1 5>&2 >>"$LOG" 2>&1
	trap explain EXIT
	read_metadata
	follow_version
	"$@"
	trap - EXIT
	exec 1>&4 2>&5 4>&- 5>&- 9>&-
}

# explain is the EXIT trap meanwhile.
explain() {
	local code=$? reason
	trap - EXIT
	if ((code != 0)); then
		reason=$(last_line) || true
		reason=${reason#hakube: }
		printf '%s\n' "${reason:-exit status $code}" >&5
		[[ -z $ON_FAILURE ]] || phase "$ON_FAILURE" "$LAST_WORD"
	fi
	exit "$code"
}
