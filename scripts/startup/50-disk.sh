# shellcheck shell=bash
# The master's own disk: all that it must not lose. The boot disk can be thrown
# away; a machine of the same name with this disk is the same master again.
#
#   hakube-cluster   the cluster it belongs to, PROJECT/PREFIX
#   etcd/            pki, and the data of both rings
#   kubernetes/      /etc/kubernetes: PKI, kubeconfigs, manifests
#   kubelet-pki/     /var/lib/kubelet/pki: who the kubelet is
#   hakube/          served: the rings have data; founded: the control plane was
#                    made; address; kube-version; ring-RING: joins that ring

DEVICE=/dev/disk/by-id/google-master-pd
DISK=/mnt/disks/master-pd
STATE=$DISK/hakube

# prepare_device formats a blank disk, checks one of ours, refuses any other.
prepare_device() {
	local type
	wait_until 60 "the disk master-pd is attached" test -b "$DEVICE"
	type=$(blkid -p -s TYPE -o value "$DEVICE") || (($? == 2)) || die "reading what is on the disk master-pd"
	if [[ -z $type ]]; then
		[[ -z $(blkid -p -o value "$DEVICE" || true) ]] || refuse "the disk master-pd is partitioned, refusing it"
		say "formatting the disk master-pd"
		mkfs.ext4 -q -F -m 0 -L master-pd "$DEVICE"
	elif [[ $type != ext4 ]]; then
		refuse "the disk master-pd holds $type, refusing it"
	else
		e2fsck -p "$DEVICE" || (($? < 4)) || die "the file system of the disk master-pd is damaged"
	fi
}

# mount_disk mounts and claims it, or refuses one of another cluster.
mount_disk() {
	local id
	if ! mountpoint -q "$DISK"; then
		prepare_device
		mkdir -p "$DISK"
		mount -o noatime,discard "$DEVICE" "$DISK"
		resize2fs "$DEVICE" >/dev/null 2>&1 || say "the file system was not grown to the disk"
	fi
	if [[ -s $DISK/hakube-cluster ]]; then
		id=$(<"$DISK/hakube-cluster")
		if [[ $id != "$CLUSTER_ID" ]]; then
			umount "$DISK"
			refuse "the disk master-pd belongs to cluster $id, not to $CLUSTER_ID"
		fi
	elif [[ -n $(find "$DISK" -mindepth 1 -maxdepth 1 ! -name lost+found ! -name 'hakube-cluster*' -print -quit) ]]; then
		umount "$DISK"
		refuse "the disk master-pd holds files of something that is not hakube"
	else
		put "$DISK/hakube-cluster" <<<"$CLUSTER_ID"
	fi
	rm -rf "$DISK/backup" # of one that the machine did not live to end: snapshots in the clear
	rm -f "$DISK/backup.made"
	rm -f "$DISK/hakube-drill.fill" # of a drill that the machine did not live to end
	mkdir -p "$DISK"/{hakube,kubernetes,kubelet-pki} /var/lib/kubelet
	install -d -m 0700 "$DISK/etcd"
	# Links, not bind mounts: without the disk they lead nowhere, and nothing
	# starts to write a second truth on the boot disk.
	point_to /etc/kubernetes "$DISK/kubernetes"
	point_to /var/lib/kubelet/pki "$DISK/kubelet-pki"
	follow_version
}

# upgrades: this machine was made around its disk to bring another version, and has not
# done so yet. Its boot disk remembers that it has: what the disk of the data says later
# (a backup was restored, say) makes no upgrade of a boot.
upgrades() { [[ ${UPGRADE:-false} == true && -e $STATE/founded && ! -e $STORE/upgraded ]]; }

# follow_version: what is on the disk decides, a boot must not be an upgrade, and
# a master that joins runs what the others run.
follow_version() {
	if [[ -s $STATE/kube-version ]] && ! upgrades; then KUBE_VERSION=$(<"$STATE/kube-version"); fi
}

# point_to LINK TARGET
point_to() {
	if [[ -d $1 && ! -L $1 ]]; then rmdir "$1"; fi
	ln -sfn "$2" "$1"
}
