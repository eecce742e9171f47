// Package schedule is about backups that masters make by themselves: what they are told of
// them, and what their service account needs for it. They are made by scripts/keep-backups.sh,
// which asks no hakube.
package schedule

import (
	"encoding/json"
	"slices"
	"strconv"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/scripts"
)

// keys are those of masters' metadata, the first three by their variables.
var keys = []string{scripts.KeyBackupEvery, scripts.KeyBackupTo, scripts.KeyBackupRecipients, scripts.KeyBackupSettings}

// Is tells whether a metadata key is of backups.
func Is(key string) bool { return slices.Contains(keys, key) }

// Metadata is what a master has to know to make backups by itself, nothing where it is to
// make none.
func Metadata(want *settings.Spec) map[string]string {
	s := want.Settings
	if s.BackupEvery == 0 {
		return nil
	}
	record, err := json.Marshal(want.Recorded(want.Home))
	if err != nil {
		panic(err) // texts by texts
	}
	return map[string]string{
		keys[0]: strconv.Itoa(int(s.BackupEvery.Duration().Seconds())), keys[1]: string(s.BackupTo), keys[2]: string(s.Recipients), keys[3]: string(record),
	}
}

// In is what a master knows of it, by variable; of one that makes none only that.
func In(m *computepb.Metadata) map[string]string {
	var every settings.Interval
	text := inventory.MetadataItem(m, keys[0])
	if every.Decode(text) == nil {
		text = every.String()
	}
	is := map[string]string{settings.OfSchedule[0]: text}
	for i, variable := range settings.OfSchedule[1:] {
		if value := inventory.MetadataItem(m, keys[i+1]); value != "" && every != 0 {
			is[variable] = value
		}
	}
	return is
}

// Differences are a master's beside what is wanted.
func Differences(m *computepb.Metadata, s settings.Settings) (list []settings.Difference) {
	want := map[string]string{settings.OfSchedule[0]: s.BackupEvery.String()}
	if s.BackupEvery != 0 {
		want[settings.OfSchedule[1]], want[settings.OfSchedule[2]] = string(s.BackupTo), string(s.Recipients)
	}
	is := In(m)
	for _, variable := range settings.OfSchedule {
		list = append(list, settings.Difference{Variable: variable, Was: is[variable], Want: want[variable]})
	}
	return list
}

// Scope is the one of Cloud Storage that a master's service account has (kube-up §2.1): one
// that makes backups writes them.
func Scope(s settings.Settings) string {
	if s.BackupEvery != 0 {
		return settings.ScopePrefix + "devstorage.read_write"
	}
	return settings.ScopePrefix + "devstorage.read_only"
}
