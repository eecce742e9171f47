package disks

import (
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// resourcePolicies are schedules of snapshots: of disks that have one a snapshot is
// made when it is due, see [Scheduler].
func resourcePolicies() api.Collection {
	const other = "groupPlacementPolicy instanceSchedulePolicy diskConsistencyGroupPolicy workloadPolicy " +
		"snapshotSchedulePolicy.snapshotProperties.guestFlush snapshotSchedulePolicy.snapshotProperties.chainName"
	return api.Collection{
		Resource: "resourcePolicies", Kind: "resourcePolicies", Item: "compute#resourcePolicy",
		Methods: map[string]api.Handler{"insert": insertPolicy, "patch": patchPolicy, "delete": func(c *api.Call) (doc.Obj, error) {
			return c.Removal("resourcePolicies", "resource_policy", policyUser)
		}},
		Works: map[string]api.Work{"insert": {}, "patch": {}, "delete": {Run: dropPolicy}},
		Lacks: map[string][]string{"insert": strings.Fields(other), "patch": strings.Fields(other)},
	}
}

func insertPolicy(c *api.Call) (doc.Obj, error) {
	r := c.Ref("resourcePolicies", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if err := completePolicy(o); err != nil {
			return err
		}
		api.Placed(r, o)
		o["kind"], o["status"] = "compute#resourcePolicy", "READY"
		_, err := c.Create(t, "resourcePolicies", o)
		return err
	})
}

// patchPolicy changes a schedule; the snapshots that are due from now on go by it.
func patchPolicy(c *api.Call) (doc.Obj, error) {
	if m := c.Query.Get("updateMask"); m != "" && m != "snapshotSchedulePolicy" && m != "description" {
		return nil, problem.Invalid("updateMask", m, "Only snapshotSchedulePolicy and description can be updated.")
	}
	r := c.Target("resourcePolicies")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if err := api.Immutable(o, c.Body, "name", "region"); err != nil {
			return err
		}
		if new := doc.Sub(doc.Sub(c.Body, "snapshotSchedulePolicy"), "schedule"); new != nil {
			delete(doc.Sub(o, "snapshotSchedulePolicy"), "schedule") // one kind takes the other's place
		}
		doc.Merge(o, doc.Obj{"snapshotSchedulePolicy": c.Body["snapshotSchedulePolicy"]})
		if doc.Has(c.Body, "description") {
			o["description"] = c.Body["description"]
		}
		return completePolicy(o)
	})
}

// completePolicy checks a schedule and fills in what it leaves to Google.
func completePolicy(o doc.Obj) error {
	const field = "resource.snapshotSchedulePolicy"
	policy := doc.Sub(o, "snapshotSchedulePolicy")
	if policy == nil {
		return problem.Missing(field)
	}
	schedule := doc.Sub(policy, "schedule")
	kinds, windows := 0, []doc.Obj{}
	if daily := doc.Sub(schedule, "dailySchedule"); daily != nil {
		kinds++
		windows = append(windows, daily)
		if n := doc.Num(daily, "daysInCycle"); n != 1 {
			return problem.Invalid(field+".schedule.dailySchedule.daysInCycle", n, "Must be 1.")
		}
	}
	if hourly := doc.Sub(schedule, "hourlySchedule"); hourly != nil {
		kinds++
		windows = append(windows, hourly)
		if n := doc.Num(hourly, "hoursInCycle"); n < 1 || n > 23 {
			return problem.Invalid(field+".schedule.hourlySchedule.hoursInCycle", n, "Must be between 1 and 23.")
		}
	}
	if weekly := doc.Sub(schedule, "weeklySchedule"); weekly != nil {
		kinds++
		days := doc.Objects(weekly, "dayOfWeeks")
		if len(days) == 0 {
			return problem.Missing(field + ".schedule.weeklySchedule.dayOfWeeks")
		}
		windows = append(windows, days...)
	}
	if kinds != 1 {
		return problem.Invalid(field+".schedule", kinds, "Exactly one of dailySchedule, hourlySchedule and weeklySchedule must be specified.")
	}
	for _, w := range windows {
		if s := doc.Str(w, "startTime"); !onTheHour(s) {
			return problem.Invalid(field+".schedule.startTime", s, "Must be a full hour, from 00:00 to 23:00.")
		}
		doc.Fill(w, doc.Obj{"duration": "PT14400S"})
	}
	if retention := doc.Sub(policy, "retentionPolicy"); retention != nil {
		if n := doc.Num(retention, "maxRetentionDays"); n < 1 || n > 65535 {
			return problem.Invalid(field+".retentionPolicy.maxRetentionDays", n, "Must be between 1 and 65535.")
		}
		doc.Fill(retention, doc.Obj{"onSourceDiskDelete": "KEEP_AUTO_SNAPSHOTS"})
	}
	return nil
}

// policyUser is a disk that has a policy.
func policyUser(t *store.Tx, r doc.Ref) doc.Ref {
	for _, d := range t.All(r.Project(), "disks") {
		if slices.Contains(doc.Strings(d, "resourcePolicies"), r.Link()) {
			return doc.RefOf(doc.Str(d, "selfLink"))
		}
	}
	return ""
}

// addPolicies gives a disk a schedule of its region; it can have one.
func addPolicies(c *api.Call) (doc.Obj, error) {
	return changeDisk(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		return havePolicies(c.S, t, r, o, append(doc.Strings(o, "resourcePolicies"), doc.Strings(c.Body, "resourcePolicies")...))
	})
}

func removePolicies(c *api.Call) (doc.Obj, error) {
	return changeDisk(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		left := doc.Strings(o, "resourcePolicies")
		for _, s := range doc.Strings(c.Body, "resourcePolicies") {
			p := doc.ParseRef(s, r.Project(), "regions/"+r.Region(), "resourcePolicies")
			i := slices.Index(left, p.Link())
			if i < 0 {
				return problem.Invalid("resource.resourcePolicies[0]", s, "The resource policy is not attached to the disk.")
			}
			left = slices.Delete(left, i, i+1)
		}
		return havePolicies(c.S, t, r, o, left)
	})
}

// havePolicies sets what schedules a disk has. What was due before is not made up for.
func havePolicies(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj, policies []string) error {
	const field = "resource.resourcePolicies"
	var links []any
	for _, text := range policies {
		p := doc.ParseRef(text, r.Project(), "regions/"+r.Region(), "resourcePolicies")
		switch {
		case p == "" || p.Project() != r.Project() || p.Scope() != "regions/"+r.Region():
			return problem.Invalid(field+"[0]", text, "The resource policy must be one of region '"+r.Region()+"'.")
		case t.Get(p) == nil:
			return problem.NotFound(p)
		case slices.Contains(links, any(p.Link())):
			return problem.Invalid(field+"[0]", text, "The resource policy is already attached to the disk.")
		}
		links = append(links, p.Link())
	}
	if len(links) > 1 {
		return problem.Invalid(field, len(links), "A disk can have one snapshot schedule.")
	}
	delete(o, "resourcePolicies")
	t.Delete(scheduled(r))
	if len(links) == 0 {
		return nil
	}
	if _, err := snapshotter(s); err != nil {
		return err
	}
	o["resourcePolicies"] = links
	t.Put(scheduled(r), doc.Obj{"until": doc.Stamp(s.Opts.Now())})
	return nil
}
