# shellcheck shell=bash
# The order of things.

# main tries three times in the first five minutes: a machine of a managed group
# that met a hiccup of the network would otherwise be missing until somebody
# looks. Each attempt is a subshell, outside of any condition so that set -e
# holds in it, and finds what the one before has done.
main() {
	local code
	open_log
	for ATTEMPT in 1 2 3; do
		set +e
		(
			set -e
			trap finish EXIT
			attempt
		)
		code=$?
		set -e
		((code == RETRY)) || exit "$code"
		sleep 10
	done
}

attempt() {
	END=running
	step "reading metadata" read_metadata
	step "waiting for the clock" wait_for_clock
	step "preparing the machine" prepare_machine
	"run_$ROLE"
	publish_host_keys
	phase "$END" "$LAST_WORD"
}

prepare_machine() {
	keep_telling
	install_packages
	prepare_kernel
}
