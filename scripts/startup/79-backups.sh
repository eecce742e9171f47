# shellcheck shell=bash
# Backups that masters make by themselves.

# keep_backups has the unit that does run where the machine was made to, whatever its metadata
# say of how often: it reads that itself, again and again. It begins once this is a master.
keep_backups() {
	[[ -n $BACKUP_EVERY ]] || return 0
	backup_program | put /usr/local/sbin/hakube-backup 0755
	keep_backups_program | put /usr/local/sbin/hakube-backups 0755
	put /etc/systemd/system/hakube-backups.service <<-'END'
		[Unit]
		Description=makes backups of the cluster
		StartLimitIntervalSec=0

		[Service]
		ExecStart=/usr/local/sbin/hakube-backups
		Restart=always
		RestartSec=5
		Nice=10
	END
	systemctl daemon-reload
	systemctl restart --no-block hakube-backups.service
}
