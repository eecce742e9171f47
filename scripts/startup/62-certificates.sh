# shellcheck shell=bash
# Certificates that are made anew lie beside the old ones, on the same disk, until all of
# them are whole. Then they are put in their places, at the next boot if the machine ended
# in between: a key and a certificate that do not belong together start nothing.

NEW_CERTIFICATES=$STATE/certificates-new # as below $DISK; `whole` in it says that all are there

# put_new_certificates moves them to their places, if they are whole: those of a directory by
# one program and in the order of their names, in which a key follows its certificate. Who
# connects in between finds a pair that is none, and fails.
put_new_certificates() {
	local dir files
	if [[ ! -e $NEW_CERTIFICATES/whole ]]; then
		rm -rf "$NEW_CERTIFICATES"
		return
	fi
	for dir in etcd/pki kubernetes/pki kubernetes; do
		mapfile -t files < <(find "$NEW_CERTIFICATES/$dir" -maxdepth 1 -type f | sort)
		if ((${#files[@]} > 0)); then mv -f -t "$DISK/$dir" "${files[@]}"; fi
	done
	sync -f "$DISK"
	rm -rf "$NEW_CERTIFICATES"
}
