package task

import (
	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// An Aim is what a command is about. Steps ask for that and never for its name.
type Aim struct {
	Name settings.Mode

	Masters, Nodes, Whole bool // it is about masters, the zone's pool, all there is of a cluster
	One                   bool // about one master: the run's replica
	Removes               bool // what it is about goes: then nothing is compared with the settings
	Repairs               bool // masters that fail: then nothing is compared either, all is as it was made
	Templates             bool // nodes are told something else: what they are made from is looked at too
	Rolls                 bool // machines that are well are made again, as somebody wants them now
	Upgrades              bool // to another version of Kubernetes meanwhile
	GivesUp               bool // other masters, for the one that is gone on with

	// Elsewhere tells that the data of the cluster to be made are a backup's: its master founds none.
	Elsewhere bool

	// Several tells that several masters are to come of a cluster that is made by one
	// command, in Zones.
	Several bool
	Zones   []string

	// Roll is what is written down of one of a pool's nodes; nil of every other command.
	Roll *inventory.Roll

	// Leaves is the zone that all is leaving, "" if none is: what does not answer there is
	// not waited for, and no workload is taken beyond its budget.
	Leaves string
}

// TakesFound tells that what goes is what was found, whatever the settings name.
func (a Aim) TakesFound() bool { return a.Removes && !a.One }
