# shellcheck shell=bash
# Certificates that are made anew lie beside the old ones, on the same disk, until all of
# them are whole. Then they are put in their places, at the next boot if the machine ended
# in between: a key and a certificate that do not belong together start nothing.

NEW_CERTIFICATES=$STATE/certificates-new # as below $DISK; `whole` in it says that all are there

# put_new_certificates moves them to their places, if they are whole.
put_new_certificates() {
	local file name
	if [[ ! -e $NEW_CERTIFICATES/whole ]]; then
		rm -rf "$NEW_CERTIFICATES"
		return
	fi
	while read -r file; do
		name=${file#"$NEW_CERTIFICATES"/}
		mv -f "$file" "$DISK/$name"
	done < <(find "$NEW_CERTIFICATES" -mindepth 2 -type f -name '*.key'; find "$NEW_CERTIFICATES" -mindepth 2 -type f ! -name '*.key')
	sync -f "$DISK"
	rm -rf "$NEW_CERTIFICATES"
}
