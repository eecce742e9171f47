package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts/cure"
)

// ZoneProblems is what is wrong with the zone that the settings name.
func ZoneProblems(ctx context.Context, r *env.Env) (refusal.Blockers, error) {
	z, err := r.GCE.Zones().Get(ctx, r.Want.Zone)
	if err == nil {
		return JudgeZone(z), nil
	}
	if !gce.IsNotFound(err) {
		return nil, err
	}
	all, listErr := r.GCE.Zones().List(ctx)
	if listErr != nil {
		return nil, listErr
	}
	return refusal.Blockers{refusal.Because("%s=%q: there is no such zone%s", settings.ZoneVariable(&r.Want.Settings), r.Want.Zone, zonesLike(r.Want.Zone, all))}, nil
}

// zonesLike names the zones somebody may have meant: those of the region, or
// else the nearest by spelling.
func zonesLike[Z interface{ GetName() string }](zone string, all []Z) string {
	var names, same []string
	for _, z := range all {
		names = append(names, z.GetName())
		if settings.Zone(z.GetName()).Region() == settings.Zone(zone).Region() {
			same = append(same, z.GetName())
		}
	}
	slices.Sort(same)
	if len(same) > 0 {
		return "; its region has " + strings.Join(same, ", ")
	}
	if near := settings.Nearest(zone, names); near != "" {
		return "; did you mean " + near
	}
	return ""
}

// JudgeZone says whether machines can be made in a zone that is there.
func JudgeZone(z *computepb.Zone) refusal.Blockers {
	st := z.GetStatus()
	if d := z.GetDeprecated().GetState(); d == "OBSOLETE" || d == "DELETED" {
		st = d
	}
	if st == "UP" || st == "" {
		return nil
	}
	return refusal.Blockers{{Why: fmt.Sprintf("KUBE_GCE_ZONE=%q: the zone is %s", z.GetName(), st),
		Cure: cure.Hint("another zone with KUBE_GCE_ZONE, or wait until it is UP", cure.Compute("zones describe "+z.GetName()))}}
}
