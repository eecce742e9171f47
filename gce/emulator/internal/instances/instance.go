// Package instances has instances, their templates and the life of the machines
// behind them.
package instances

import (
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func (l *Lifecycle) instances() api.Collection {
	return api.Collection{
		Resource: "instances", Kind: "instances", Item: "compute#instance",
		Methods: map[string]api.Handler{
			"insert": insertInstance, "delete": deleteInstance,
			"start": startInstance, "stop": stopInstance, "reset": resetInstance,
			"setMetadata": setMetadata, "setTags": setTags, "setLabels": identity.LabelsSetter("instances"),
			"setDeletionProtection": setDeletionProtection, "setMachineType": setMachineType,
			"addAccessConfig": addAccessConfig, "deleteAccessConfig": deleteAccessConfig,
			"suspend": suspendInstance, "resume": resumeInstance, "setServiceAccount": setServiceAccount,
			"attachDisk": attachDisk, "detachDisk": detachDisk, "setDiskAutoDelete": setDiskAutoDelete,
			"simulateMaintenanceEvent": simulateMaintenanceEvent,
			"getSerialPortOutput":      getSerialPortOutput, "getGuestAttributes": getGuestAttributes,
		},
		Lacks: map[string][]string{
			"insert":          append([]string{"sourceMachineImage", "instanceEncryptionKey"}, machineLacks("")...),
			"attachDisk":      append([]string{"initializeParams"}, diskLacks("")...),
			"addAccessConfig": accessLacks(""),
			"setMachineType":  {"machineType=" + catalog.OtherSeries},
		},
		Works: map[string]api.Work{
			// A machine boots at the end of its operation: until then Google looks for a place for it.
			"insert": {Run: l.bringUp, Late: true}, "delete": {Run: takeDown},
			"start": {Run: l.bringUp, Late: true}, "stop": {Run: shutDown}, "reset": {Run: l.reboot},
			"setMetadata": {}, "setLabels": {}, "setDeletionProtection": {}, "setMachineType": {},
			"setTags":            {Run: api.Synced},
			"addAccessConfig":    {Run: api.Synced, Late: true},
			"deleteAccessConfig": {Run: dropAccessConfig, Late: true},
			"attachDisk":         {Run: plug}, "detachDisk": {Run: unplug}, "setDiskAutoDelete": {}, "setServiceAccount": {},
			"suspend": {Run: suspend, Late: true}, "resume": {Run: l.resume, Late: true},
			"simulateMaintenanceEvent": {Run: maintain},
			// Operations of the system; nobody can ask for them.
			"preempted": {Run: shutDown}, "terminateOnHostMaintenance": {Run: l.evacuate}, "migrateOnHostMaintenance": {},
		},
	}
}

// machineLacks is what of the description of a machine is not written; at is where
// that is in a request.
func machineLacks(at string) []string {
	out := []string{
		at + "machineType=" + catalog.OtherSeries, at + "resourcePolicies", at + "confidentialInstanceConfig.enableConfidentialCompute", at + "networkInterfaces>1: several network interfaces",
		at + "networkInterfaces.ipv6AccessConfigs: IPv6", at + "networkInterfaces.networkAttachment", at + "networkInterfaces.stackType!IPV4_ONLY: IPv6",
		at + "reservationAffinity.consumeReservationType=SPECIFIC_RESERVATION",
		at + "disks.initializeParams.resourcePolicies", at + "disks.initializeParams.diskType=" + catalog.OtherDisks,
	}
	out = append(diskLacks(at+"disks."), out...) // first, since a local SSD says so twice
	return append(out, accessLacks(at+"networkInterfaces.accessConfigs.")...)
}

func diskLacks(at string) []string {
	return []string{at + "type=SCRATCH: local SSDs", at + "diskEncryptionKey", at + "interface=NVME"}
}

func accessLacks(at string) []string {
	return []string{at + "type!ONE_TO_ONE_NAT", at + "networkTier!PREMIUM", at + "setPublicPtr", at + "publicPtrDomainName", at + "externalIpv6: IPv6"}
}

func startInstance(c *api.Call) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err != nil {
			return err
		}
		switch doc.Str(o, "status") {
		case "TERMINATED":
		case "STOPPING", "SUSPENDING", "SUSPENDED":
			return problem.NotReady(r)
		default:
			return nil // runs already: the operation succeeds, as at Google
		}
		return Starting(c.S, t, r, o)
	})
}

// Starting marks an instance as being started; instances.start is the work.
func Starting(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	o["status"], o["lastStartTimestamp"] = "PROVISIONING", doc.Stamp(s.Opts.Now())
	return nameEphemeral(s, t, r, o)
}

func stopInstance(c *api.Call) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		_, o, err := edited(c, t)
		if err != nil {
			return err
		}
		Stopping(o)
		return nil
	})
}

// Stopping marks an instance as being stopped; instances.stop is the work.
func Stopping(o doc.Obj) {
	if s := doc.Str(o, "status"); s == "RUNNING" || s == "SUSPENDED" {
		o["status"] = "STOPPING"
	}
}

func resetInstance(c *api.Call) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err == nil && doc.Str(o, "status") != "RUNNING" {
			return problem.NotReady(r)
		}
		return err
	})
}
