# shellcheck shell=bash
# What the machine says of itself on its serial console, beside its guest attributes.
# Whoever may read the console sees it; nothing of it is secret. Whoever may write there
# is root, or logged in on the serial port.

CONSOLE=/dev/ttyS0

# tell_console NAME VALUE prints a line that hakube takes for the machine's own word:
#
#	hakube-tells BOOT SUM NAME VALUE
#
# SUM is the beginning of the SHA-256 of the rest, since the kernel prints on the same
# port and may cut a line in two. BOOT is of this boot only: what an earlier one said
# does not count any more. The line begins with an end of line, for the same reason.
tell_console() {
	local line
	mkdir -p "$RUN/told/${1%/*}"
	[[ -s $RUN/boot ]] || put "$RUN/boot" 0600 </proc/sys/kernel/random/uuid
	line="$1 $(tr -cd '\40-\176' <<<"$2")"
	line="hakube-tells $(<"$RUN/boot") $(printf '%s %s' "$(<"$RUN/boot")" "$line" | sha256sum | cut -c 1-16) $line"
	put "$RUN/told/$1" 0600 <<<"$line"
	print_told "$line"
}

# print_told LINE... is never waited for long, and nothing fails because of it.
print_told() {
	[[ ! -w $CONSOLE ]] || printf '\n%s' "$@" '' | timeout 5 tee -a "$CONSOLE" >/dev/null || true
}

# keep_telling has it all printed again each hour: of a console the last mebibyte is
# kept, and a machine that lives for long prints more.
keep_telling() {
	put /usr/local/sbin/hakube-tells 0755 <<-END
		#!/usr/bin/env bash
		find $RUN/told -type f -exec awk 'BEGIN {print ""} {print}' {} + | timeout 5 tee -a $CONSOLE >/dev/null
	END
	put /etc/systemd/system/hakube-tells.service <<-'END'
		[Unit]
		Description=says on the serial console who this machine is and how far

		[Service]
		Type=oneshot
		ExecStart=/usr/local/sbin/hakube-tells
		StandardOutput=null
	END
	put /etc/systemd/system/hakube-tells.timer <<-'END'
		[Unit]
		Description=says it each hour, since a console forgets

		[Timer]
		OnActiveSec=1h
		OnUnitActiveSec=1h
		RandomizedDelaySec=5m
	END
	systemctl daemon-reload
	systemctl start hakube-tells.timer || say "the console will not be told again"
}
