package groups

import (
	"fmt"
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/instances"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// act does what the action of a member takes next: an operation that it starts, or a
// change to the note when the action is over.
func (g *Reconciler) act(t *store.Tx, r, i doc.Ref, group, o doc.Obj) (start doc.Ref, err error) {
	instance := t.Get(i)
	switch doc.Str(o, "action") {
	case "ABANDONING":
		o["action"] = ""
	case "DELETING":
		if instance == nil {
			releaseKept(t, r, o)
			o["action"] = ""
			return "", nil
		}
		gone(t, r, i, o)
		return g.remove(t, i), nil
	case "RECREATING":
		switch {
		case instance != nil && doc.Has(o, "made") && doc.Bool(o, "removed"):
			return "", g.settle(t, i, group, o)
		case instance != nil:
			o["removed"] = true
			return g.remove(t, i), nil
		}
		o["removed"], o["made"] = true, true
		return g.make(t, r, i, group, o)
	case "CREATING":
		if instance != nil && doc.Has(o, "made") { // else it is somebody else's of that name
			return "", g.settle(t, i, group, o)
		}
		o["made"] = true
		return g.make(t, r, i, group, o)
	case "REFRESHING":
		if instance != nil {
			err = g.refresh(t, r, i, group, o)
		}
		o["action"] = "NONE"
	case "RESTARTING":
		return g.restart(t, r, i, group, o)
	}
	return "", err
}

// settle is the end of making a machine: what is kept of it from now on is noted.
func (g *Reconciler) settle(t *store.Tx, i doc.Ref, group, o doc.Obj) error {
	if err := preserve(g.s, t, i, group, o); err != nil {
		return err
	}
	for _, k := range []string{"removed", "made", "repair"} {
		delete(o, k)
	}
	o["action"] = settled(group)
	return nil
}

// restart stops a machine and starts it, with its configuration applied between.
func (g *Reconciler) restart(t *store.Tx, r, i doc.Ref, group, o doc.Obj) (doc.Ref, error) {
	instance := t.Edit(i)
	switch status := doc.Str(instance, "status"); {
	case instance == nil: // somebody deleted it meanwhile: it is repaired
	case doc.Has(o, "made") && status == "RUNNING":
	case status == "TERMINATED":
		if err := g.refresh(t, r, i, group, o); err != nil {
			return "", err
		}
		o["made"] = true
		return g.s.Accept(t, "instances.start", i, doc.Obj{}, "", nil), instances.Starting(g.s, t, i, t.Edit(i))
	default:
		instances.Stopping(instance)
		return g.s.Accept(t, "instances.stop", i, doc.Obj{}, "", nil), nil
	}
	o["action"] = settled(group)
	delete(o, "made")
	return "", nil
}

func (g *Reconciler) remove(t *store.Tx, i doc.Ref) doc.Ref {
	instances.Leave(t, i, t.Edit(i))
	return g.s.Accept(t, "instances.delete", i, doc.Obj{}, "", nil)
}

// make accepts an instance as the group's template and the machine's configuration
// describe it, with what was kept of the one before. A repair makes what there was.
func (g *Reconciler) make(t *store.Tx, r, i doc.Ref, group, member doc.Obj) (doc.Ref, error) {
	template, config := doc.RefOf(doc.Str(group, "instanceTemplate")), t.Get(configRef(r, i.Name()))
	if before := doc.RefOf(doc.Str(member, "template")); asBefore(group, member) && t.Get(before) != nil {
		template = before
	}
	state := doc.Sub(config, "preservedState")
	if asBefore(group, member) {
		state = doc.Sub(member, "preservedStateFromConfig")
	} else {
		apply(member, config)
	}
	instance, err := made(t, template, member, state)
	if err != nil {
		return "", err
	}
	items := doc.List(doc.Sub(instance, "metadata"), "items")
	for key, of := range map[string]doc.Ref{"instance-template": template, "created-by": r} {
		items = append(items, doc.Obj{"key": key, "value": byNumber(r, of)})
	}
	instance["metadata"] = doc.Obj{"items": items}
	member["template"] = template.Link()
	disks, err := instances.NewInstance(g.s, t, i, instance)
	if err != nil {
		return "", err
	}
	if err := projects.Forbidden(g.s, "instances.insert", i, t.Get(i)); err != nil {
		return "", err
	}
	if key := projects.Overdrawn(g.s, t, r.Project()); key != "" {
		p, _ := projects.Exceeded(g.s, key)
		return "", p
	}
	if p, _ := projects.NoStock(g.s, i, instance); p != nil {
		return "", p
	}
	return g.s.Accept(t, "instances.insert", i, doc.Obj{"made": disks}, "", nil), nil
}

// byNumber is what metadata call an object of a group's project.
func byNumber(r, of doc.Ref) string {
	number := fmt.Sprintf("projects/%d", projects.ProjectNumber(r.Project()))
	return strings.Replace(string(of), "projects/"+r.Project(), number, 1)
}

// asBefore reports whether a machine is made as it was, not as its group says by now.
func asBefore(group, member doc.Obj) bool {
	return doc.Bool(member, "repair") && doc.Str(doc.Sub(group, "instanceLifecyclePolicy"), "forceUpdateOnRepair") != "YES"
}
