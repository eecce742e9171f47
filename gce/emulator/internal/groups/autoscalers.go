package groups

import (
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Autoscalers are kept with all their rules, and keep their group between the least
// and the most machines. Nothing here measures load, so that is all they do: a group
// in between stays at the size it has.
func (g *Reconciler) autoscalers() api.Collection {
	lacks := []string{"autoscalingPolicy.scalingSchedules: scaling schedules", "autoscalingPolicy.cpuUtilization.predictiveMethod!NONE"}
	return api.Collection{
		Resource: "autoscalers", Kind: "autoscalers", Item: "compute#autoscaler", View: autoscalerView,
		Methods: map[string]api.Handler{"insert": insertAutoscaler, "delete": deleteAutoscaler, "patch": changeAutoscaler, "update": changeAutoscaler},
		Works:   map[string]api.Work{"insert": {Run: g.scheduled}, "patch": {Run: g.scheduled}, "update": {Run: g.scheduled}, "delete": {}},
		Lacks:   map[string][]string{"insert": lacks, "patch": lacks, "update": lacks},
	}
}

func regionAutoscalers() api.Collection {
	return api.Collection{Resource: "regionAutoscalers", Kind: "autoscalers", Item: "compute#regionAutoscaler"}
}

func insertAutoscaler(c *api.Call) (doc.Obj, error) {
	r := c.Ref("autoscalers", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		group := doc.ParseRef(doc.Str(o, "target"), r.Project(), r.Scope(), "instanceGroupManagers")
		switch {
		case !doc.Has(o, "target"):
			return problem.Missing("resource.target")
		case group.Scope() != r.Scope() || group.Project() != r.Project() || t.Get(group) == nil:
			return problem.Invalid("resource.target", doc.Str(o, "target"), "The referenced instance group manager resource cannot be found.")
		}
		if by := scalerOf(t, group); by != "" && by != r {
			return problem.InUse("instance_group_manager", group, by)
		}
		if stateful(t.Get(group)) || len(t.List(configs(group))) > 0 {
			return problem.Refuse("An autoscaler cannot be used with stateful configuration: '%s' has some.", group)
		}
		o["target"] = group.Link()
		if err := completeScaler(o); err != nil {
			return err
		}
		o["kind"], o["zone"] = "compute#autoscaler", doc.ZoneLink(r.Project(), r.Place())
		if _, err := c.Create(t, "autoscalers", o); err != nil {
			return err
		}
		return keepWithin(t, group, o)
	})
}

// changeAutoscaler is patch, which keeps what is not named, and update, which resets
// it. Which one is changed is in the query or the body.
func changeAutoscaler(c *api.Call) (doc.Obj, error) {
	name := c.Query.Get("autoscaler")
	if name == "" {
		name = doc.Str(c.Body, "name")
	}
	if name == "" {
		return nil, problem.Missing("autoscaler")
	}
	r := c.Ref("autoscalers", name)
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if err := api.Immutable(o, c.Body, "name", "target", "zone"); err != nil {
			return err
		}
		if strings.HasSuffix(c.Method.ID, ".update") {
			delete(o, "autoscalingPolicy")
		}
		doc.Merge(o, doc.Obj{"autoscalingPolicy": c.Body["autoscalingPolicy"]})
		if doc.Has(c.Body, "description") {
			o["description"] = c.Body["description"]
		}
		if err := completeScaler(o); err != nil {
			return err
		}
		return keepWithin(t, doc.RefOf(doc.Str(o, "target")), o)
	})
}

func deleteAutoscaler(c *api.Call) (doc.Obj, error) {
	r := c.Target("autoscalers")
	return c.Change(r, nil, func(t *store.Tx) error {
		if t.Get(r) == nil {
			return problem.NotFound(r)
		}
		t.Delete(r)
		return nil
	})
}

// completeScaler checks a policy and fills in what it leaves to Google.
func completeScaler(o doc.Obj) error {
	const field = "resource.autoscalingPolicy."
	p := doc.Sub(o, "autoscalingPolicy")
	if p == nil || !doc.Has(p, "maxNumReplicas") {
		return problem.Missing(field + "maxNumReplicas")
	}
	doc.Fill(p, doc.Obj{"minNumReplicas": 2, "coolDownPeriodSec": 60, "mode": "ON"})
	most, least := doc.Num(p, "maxNumReplicas"), doc.Num(p, "minNumReplicas")
	switch {
	case most < 1 || most > 2000:
		return problem.Invalid(field+"maxNumReplicas", most, "Must be between 1 and 2000.")
	case least < 0 || least > most:
		return problem.Invalid(field+"minNumReplicas", least, "Must be between 0 and maxNumReplicas.")
	case doc.Num(p, "coolDownPeriodSec") < 0:
		return problem.Invalid(field+"coolDownPeriodSec", p["coolDownPeriodSec"], "Must not be negative.")
	}
	none := !doc.Has(p, "cpuUtilization") && !doc.Has(p, "loadBalancingUtilization") && len(doc.List(p, "customMetricUtilizations")) == 0
	if none {
		p["cpuUtilization"] = doc.Obj{}
	}
	if cpu := doc.Sub(p, "cpuUtilization"); cpu != nil {
		doc.Fill(cpu, doc.Obj{"utilizationTarget": 0.6, "predictiveMethod": "NONE"})
		if v, ok := cpu["utilizationTarget"].(float64); !ok || v <= 0 || v > 1 {
			return problem.Invalid(field+"cpuUtilization.utilizationTarget", cpu["utilizationTarget"], "Must be above 0 and at most 1.")
		}
	}
	return nil
}

// keepWithin brings the size of a group to what its autoscaler allows.
func keepWithin(t *store.Tx, group doc.Ref, scaler doc.Obj) error {
	o := t.Edit(group)
	if o == nil || t.Get(group.Note("leaving")) != nil {
		return problem.NotReady(group)
	}
	o["targetSize"] = allowed(scaler, doc.Num(o, "targetSize"))
	if v := doc.Objects(o, "versions"); len(v) == 1 {
		v[0]["targetSize"] = doc.Obj{"calculated": o["targetSize"]}
	}
	o["fingerprint"] = groupPrint(o)
	return nil
}

// allowed is the size nearest to one that an autoscaler allows.
func allowed(scaler doc.Obj, size int64) int64 {
	p := doc.Sub(scaler, "autoscalingPolicy")
	switch doc.Str(p, "mode") {
	case "OFF":
		return size
	case "ONLY_UP", "ONLY_SCALE_OUT":
		return max(size, doc.Num(p, "minNumReplicas"))
	}
	return min(max(size, doc.Num(p, "minNumReplicas")), doc.Num(p, "maxNumReplicas"))
}

func autoscalerView(t *store.Tx, _ doc.Ref, o doc.Obj) doc.Obj {
	out := doc.Clone(o)
	p := doc.Sub(o, "autoscalingPolicy")
	size := doc.Num(t.Get(doc.RefOf(doc.Str(o, "target"))), "targetSize")
	out["status"], out["recommendedSize"] = "ACTIVE", float64(allowed(o, size))
	var notices []any
	switch mode := doc.Str(p, "mode"); {
	case mode == "OFF":
		notices = append(notices, doc.Obj{"type": "MODE_OFF", "message": "The autoscaler is off."})
	case mode != "ON":
		notices = append(notices, doc.Obj{"type": "MODE_ONLY_SCALE_OUT", "message": "The autoscaler only scales out."})
	}
	if doc.Num(p, "minNumReplicas") == doc.Num(p, "maxNumReplicas") {
		notices = append(notices, doc.Obj{"type": "MIN_EQUALS_MAX", "message": "The autoscaler's minimum is its maximum."})
	}
	if len(notices) > 0 {
		out["statusDetails"] = slices.Clip(notices)
	}
	return out
}
