package cluster

import (
	"hakube/cluster/settings"
)

// An aim is what a command is about. Steps ask for that and never for its name.
type aim struct {
	name settings.Mode

	masters, nodes, whole bool // it is about masters, the zone's pool, all there is of a cluster
	one                   bool // about one master: the run's replica
	removes               bool // what it is about goes: then nothing is compared with the settings
	repairs               bool // masters that fail: then nothing is compared either, all is as it was made
	givesUp               bool // other masters, for the one that is gone on with
}

// takesFound tells that what goes is what was found, whatever the settings name.
func (a aim) takesFound() bool { return a.removes && !a.one }
