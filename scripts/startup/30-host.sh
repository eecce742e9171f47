# shellcheck shell=bash
# The machine itself: its clock, packages, kernel.

# clock_is_sane compares with the metadata server's own clock. Certificates made
# on a machine whose clock is ahead are not valid yet for all others.
clock_is_sane() {
	local theirs ours
	theirs=$(curl -sS -m 5 -D - -o /dev/null -H 'Metadata-Flavor: Google' "$METADATA/instance/id" |
		tr -d '\r' | sed -n 's/^[Dd]ate: //p') || return 1
	[[ -n $theirs ]] || return 0 # a server without a clock cannot judge ours
	theirs=$(date -d "$theirs" +%s) || return 1
	ours=$(date +%s)
	((ours - theirs < 10 && theirs - ours < 10))
}

wait_for_clock() { wait_until 120 "the clock agrees with the metadata server" clock_is_sane; }

# missing_packages prints the Debian packages of the commands that are not there.
# Google's image has all of them but conntrack, which kubeadm asks for below 1.32.
missing_packages() {
	local pair wanted=(iptables:iptables mkfs.ext4:e2fsprogs openssl:openssl losetup:mount modprobe:kmod sysctl:procps)
	[[ ! $KUBE_VERSION =~ ^v1\.([12]?[0-9]|3[01])\. ]] || wanted+=(conntrack:conntrack)
	for pair in "${wanted[@]}"; do
		command -v "${pair%%:*}" >/dev/null || printf '%s\n' "${pair#*:}"
	done
}

# install_packages asks apt only when something is missing: what every machine
# fetched before it could be one of the cluster's, no machine would be one without.
# At first boot unattended upgrades hold apt's locks for minutes; `apt-get update`
# does not wait for its lock by itself, so the whole is tried again for ten minutes.
# Its exit status decides nothing: one source of several that is broken, such as an
# expired key of somebody else's repository, keeps no package of Debian's away.
install_packages() {
	local missing limit=$((SECONDS + 600))
	mapfile -t missing < <(missing_packages)
	((${#missing[@]})) || return 0
	say "installing packages: ${missing[*]}"
	until
		apt-get -q update || say "apt-get update failed, trying with what it has"
		apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}"
	do
		((SECONDS < limit)) || die "installing packages: ${missing[*]}"
		sleep 5
	done
}

# kernel_wanted prints what kubelet finds set or, unless it is told not to, sets itself:
# a kernel that fails is to boot again, and memory is not to be refused beforehand.
kernel_wanted() {
	cat <<-'END'
		vm.overcommit_memory = 1
		vm.panic_on_oom = 0
		kernel.panic = 10
		kernel.panic_on_oops = 1
		kernel.keys.root_maxkeys = 1000000
		kernel.keys.root_maxbytes = 25000000
	END
}

# kernel_as_wanted: a kubelet that may not set it does not start when it differs.
kernel_as_wanted() {
	local name is
	while read -r name _ is; do
		if [[ $(sysctl -n "$name" 2>/dev/null) != "$is" ]]; then
			say "$name is not $is and cannot be set: kubelet goes on without protectKernelDefaults"
			return 1
		fi
	done < <(kernel_wanted)
}

# prepare_kernel loads what may be a module, and tolerates one that cannot be
# loaded when the kernel has the feature anyway. Swap is not touched: the kubelet
# is told to live with it and lets no pod use it.
prepare_kernel() {
	local line
	modprobe -q overlay || true
	grep -qw overlay /proc/filesystems || die "the kernel has no overlay file system"
	{
		cat <<-'END'
			net.ipv4.ip_forward = 1
			fs.inotify.max_user_instances = 8192
			fs.inotify.max_user_watches = 524288
		END
		if [[ $PROTECT_KERNEL == true ]]; then kernel_wanted; fi
	} | put /etc/sysctl.d/99-hakube.conf
	while read -r line; do
		sysctl -q -w "${line// /}" || say "cannot set $line"
	done </etc/sysctl.d/99-hakube.conf
	[[ $(</proc/sys/net/ipv4/ip_forward) == 1 ]] || die "net.ipv4.ip_forward cannot be set"
}
