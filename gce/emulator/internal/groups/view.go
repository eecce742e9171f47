package groups

import (
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/balancers"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// GroupView adds what the group is doing.
func GroupView(t *store.Tx, r doc.Ref, o doc.Obj) doc.Obj {
	out := doc.Clone(o)
	actions := doc.Obj{}
	for _, a := range strings.Fields("abandoning creating creatingWithoutRetries deleting none recreating refreshing restarting resuming starting stopping suspending verifying") {
		actions[a] = 0
	}
	all := t.List(members.Members(r))
	stable := int64(len(all)) == doc.Num(o, "targetSize")
	stay := int64(0)
	for _, m := range all {
		a := strings.ToLower(doc.Str(m, "action"))
		actions[a] = doc.Num(actions, a) + 1
		if a != "deleting" && a != "abandoning" {
			stay++
		}
		runs := doc.Str(t.Get(r.Within("instances", doc.Str(m, "name"))), "status") == "RUNNING"
		stable = stable && a == "none" && runs // not before the group has seen what happened to it
	}
	if missing := doc.Num(o, "targetSize") - stay; missing > 0 { // known before they have names
		actions["creating"] = doc.Num(actions, "creating") + missing
	}
	out["currentActions"] = actions
	kept, applied, reached := stateful(o), true, stable
	for _, m := range all {
		reached = reached && m["template"] == o["instanceTemplate"]
		config := t.Get(configRef(r, doc.Str(m, "name")))
		kept = kept || config != nil
		applied = applied && (config == nil || effective(m, config))
	}
	out["status"] = doc.Obj{
		"isStable": stable, "versionTarget": doc.Obj{"isReached": reached}, "allInstancesConfig": doc.Obj{"effective": true},
		"stateful": doc.Obj{"hasStatefulConfig": kept, "perInstanceConfigs": doc.Obj{"allEffective": applied}},
	}
	if by := scalerOf(t, r); by != "" {
		doc.Sub(out, "status")["autoscaler"] = by.Link()
	}
	return doc.Clone(out)
}

func listManagedInstances(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceGroupManagers")
	var out []doc.Obj
	var err error
	pageless := false
	found := probed(c.S, r)
	c.S.Store.View(func(t *store.Tx) {
		group := t.Get(r)
		if group == nil {
			err = problem.NotFound(r)
			return
		}
		pageless = doc.Str(group, "listManagedInstancesResults") == "PAGELESS"
		for _, m := range t.List(members.Members(r)) {
			i := r.Within("instances", doc.Str(m, "name"))
			row := doc.Obj{
				"instance": i.Link(), "name": i.Name(), "currentAction": m["action"],
				"version": doc.Obj{"instanceTemplate": m["template"]}, "lastAttempt": doc.Obj{},
			}
			if o := t.Get(i); o != nil {
				row["id"], row["instanceStatus"] = o["id"], o["status"]
				if is := health(found, o); is != "" {
					row["instanceHealth"] = []any{doc.Obj{"detailedHealthState": is, "healthCheck": balancers.HealingCheck(group).Link()}}
				}
			}
			for _, k := range []string{"preservedStateFromPolicy", "preservedStateFromConfig"} {
				if kept := doc.Sub(m, k); len(kept) > 0 {
					row[k] = kept
				}
			}
			if e := doc.Sub(m, "error"); e != nil {
				row["lastAttempt"] = doc.Obj{"errors": doc.Obj{"errors": []any{e}}}
			}
			out = append(out, row)
		}
	})
	if err != nil {
		return nil, err
	}
	return c.Members("managedInstances", out, pageless)
}

// failures is where the notes are of what went wrong with a group's machines.
func failures(group doc.Ref) string { return "~failures/" + string(group) }

// mostFailures is how many of them a group keeps.
const mostFailures = 100

// failed notes what went wrong with a machine, for listErrors.
func failed(s *api.Server, t *store.Tx, r doc.Ref, m, e doc.Obj) {
	old := t.List(failures(r))
	if len(old) >= mostFailures {
		t.Delete(doc.Ref(failures(r) + "/" + doc.Str(old[0], "id")))
	}
	id := t.ID()
	t.Put(doc.Ref(failures(r)+"/"+id), doc.Obj{
		"id": id, "error": doc.Obj{"code": e["code"], "message": e["message"]}, "timestamp": doc.Stamp(s.Opts.Now()),
		"instanceActionDetails": doc.Obj{
			"action": m["action"], "instance": r.Within("instances", doc.Str(m, "name")).Link(),
			"version": doc.Obj{"instanceTemplate": m["template"]},
		},
	})
}

// listErrors is what went wrong with a group's machines, all at once: a group keeps few.
func listErrors(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceGroupManagers")
	var out []doc.Obj
	var err error
	c.S.Store.View(func(t *store.Tx) {
		if t.Get(r) == nil {
			err = problem.NotFound(r)
			return
		}
		for _, note := range t.List(failures(r)) {
			row := doc.Clone(note)
			delete(row, "id")
			out = append(out, row)
		}
	})
	if err != nil {
		return nil, err
	}
	return c.Members("items", out, true)
}
