package groups

import (
	"hakube/gce/emulator/internal/api"
)

// Collections are the managed groups.
func (g *Reconciler) Collections() []api.Collection {
	return []api.Collection{g.instanceGroupManagers(), g.autoscalers(), regionAutoscalers()}
}

func (g *Reconciler) instanceGroupManagers() api.Collection {
	return api.Collection{
		Resource: "instanceGroupManagers", Kind: "instanceGroupManagers", Item: "compute#instanceGroupManager",
		View: GroupView, Shown: groupShown,
		Methods: map[string]api.Handler{
			"insert": insertGroup, "delete": deleteGroup, "resize": resizeGroup, "patch": patchGroup,
			"setInstanceTemplate": patchGroup, "deleteInstances": deleteMembers, "recreateInstances": recreateMembers,
			"abandonInstances": abandonMembers, "createInstances": createInstances, "applyUpdatesToInstances": applyUpdates,
			"updatePerInstanceConfigs": updateConfigs, "patchPerInstanceConfigs": patchConfigs, "deletePerInstanceConfigs": deleteConfigs,
			"listManagedInstances": listManagedInstances, "listPerInstanceConfigs": listConfigs, "listErrors": listErrors,
		},
		Lacks: map[string][]string{
			"insert": {"distributionPolicy", "targetPools", "allInstancesConfig",
				"standbyPolicy", "instanceFlexibilityPolicy", "targetStoppedSize", "targetSuspendedSize", "targetSizePolicy", "resourcePolicies", "versions>1: several versions"},
			"patch": {"+targetSize", "+instanceTemplate", "+versions", "+listManagedInstancesResults", "+description", "+updatePolicy", "+statefulPolicy", "+instanceLifecyclePolicy", "+autoHealingPolicies",
				"+name", "+zone", "+fingerprint", "+baseInstanceName", "versions>1: several versions"},
		},
		Works: map[string]api.Work{
			"insert": {}, "patch": {Run: api.Synced}, "setInstanceTemplate": {}, "deleteInstances": {Run: g.scheduled}, "recreateInstances": {Run: g.scheduled},
			"abandonInstances": {Run: g.scheduled}, "createInstances": {Run: g.scheduled}, "applyUpdatesToInstances": {Run: g.scheduled},
			"updatePerInstanceConfigs": {}, "patchPerInstanceConfigs": {}, "deletePerInstanceConfigs": {},
			"resize": {Run: g.scheduled}, "delete": {Run: g.dropGroup},
		},
	}
}
