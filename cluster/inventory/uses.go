package inventory

import (
	"cmp"
	"fmt"
	"slices"

	"hakube/scripts/cure"
)

// A Use is that an object cannot be removed while another is there: Compute
// Engine refuses with "is already being used by". The lists that a run reads
// anyway tell of most of them.
type Use struct {
	By   Object
	Mine bool // the user carries our mark
	Of   Object
}

// uses notes what an object that was read stands on.
func (f *Collector) uses(by Object, description string, links ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range links {
		if of := ObjectAt(l); l != "" && of.Kind != "" {
			f.Used = append(f.Used, Use{By: by.Id(), Mine: f.Mark.Owns(description), Of: of})
		}
	}
}

// usedBy notes those of whom an object says itself that they use it.
func (f *Collector) usedBy(of Object, links []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range links {
		if by := ObjectAt(l); by.Kind != "" {
			f.Used = append(f.Used, Use{By: by, Of: of.Id()})
		}
	}
}

// Release is what gcloud compute is told by which a user lets go of what it uses. What has no
// other way to is deleted; that it is somebody's is said beside it.
func (v *Inventory) Release(u Use) cure.Command {
	if u.By.Kind == Instance && u.Of.Kind == Address {
		return cure.Compute(u.words(), v.AccessConfigs[v.Holder.IP]...)
	}
	if u.By.Kind == InstanceGroup && slices.ContainsFunc(v.Uses, func(x Use) bool {
		return x.By == Object{Kind: ManagedGroup, Name: u.By.Name, Zone: u.By.Zone, Region: u.By.Region}
	}) {
		u.By.Kind = ManagedGroup // the group of a managed one goes with that
	}
	return cure.Compute(u.words())
}

func (u Use) words() string {
	by, of, place := u.By, u.Of, u.By.place()
	switch {
	case by.Kind == BackendService && (of.Kind == ManagedGroup || of.Kind == InstanceGroup):
		return fmt.Sprintf("backend-services remove-backend %s%s --instance-group=%s --instance-group-zone=%s", by.Name, cmp.Or(place, " --global"), of.Name, of.Zone)
	case by.Kind == Instance && of.Kind == Disk:
		return fmt.Sprintf("instances detach-disk %s%s --disk=%s", by.Name, place, of.Name)
	case by.Kind == Instance && of.Kind == Address:
		return fmt.Sprintf("instances delete-access-config %s%s", by.Name, place)
	case by.Kind == InstanceGroup:
		return fmt.Sprintf("instance-groups unmanaged delete %s%s", by.Name, place)
	case by.Kind == Autoscaler:
		return fmt.Sprintf("instance-groups managed stop-autoscaling %s%s", of.Name, of.place())
	case by.Kind == Peering:
		return fmt.Sprintf("networks peerings delete %s --network=%s", by.Name, of.Name)
	case by.Kind == BackendService || by.Kind == ForwardingRule || by.Kind == Address:
		place = cmp.Or(place, " --global")
	}
	return fmt.Sprintf("%s delete %s%s", by.Kind.Row().noun, by.Name, place)
}
