package cluster

import "hakube/cluster/plan"

// Most steps are about one object of the cloud or one master. Programs that read
// progress get it in parts.

func (o object) about() plan.Thing {
	return plan.Thing{Kind: string(o.kind), Name: o.name, Zone: o.zone, Region: o.region}
}

func (r resource[T]) About() plan.Thing { return r.of.about() }

func (a access) About() plan.Thing       { return a.of.about() }
func (p prepared) About() plan.Thing     { return p.of.about() }
func (c controlPlane) About() plan.Thing { return c.of.about() }
func (n masterNode) About() plan.Thing   { return n.of.about() }
func (m ringMember) About() plan.Thing   { return m.of.about() }
func (a ownAddress) About() plan.Thing   { return a.of.about() }
func (v revived) About() plan.Thing      { return v.of.about() }
func (d readableDisk) About() plan.Thing { return d.of.about() }
func (w withDisk) About() plan.Thing     { return w.of.about() }
func (t tagged) About() plan.Thing       { return t.of.about() }
func (a sshAnswers) About() plan.Thing   { return a.of.about() }
func (n nodeReady) About() plan.Thing    { return n.of.about() }
func (h hasData) About() plan.Thing      { return h.of.about() }
func (g machineGone) About() plan.Thing  { return g.of.about() }
func (a ringAlone) About() plan.Thing    { return a.of.about() }
func (t traffic) About() plan.Thing      { return t.of.about() }
func (k kubeconfig) About() plan.Thing   { return plan.Thing{Kind: "kubeconfig", Name: k.want.Context} }
func (b backendZone) About() plan.Thing {
	return plan.Thing{Kind: "backend", Name: b.want.Names.MasterGroup(), Zone: b.zone}
}
func (s strayStep) About() plan.Thing {
	return plan.Thing{Kind: s.s.Kind, Name: s.s.Name, Zone: s.s.zone, Region: s.s.region}
}
