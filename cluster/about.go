package cluster

import (
	"hakube/cluster/plan"
)

// Most steps are about one object of the cloud or one master. Programs that read
// progress get it in parts.

func (a access) About() plan.Thing        { return thing(a.of) }
func (p prepared) About() plan.Thing      { return thing(p.of) }
func (c *controlPlane) About() plan.Thing { return thing(c.of) }
func (n masterNode) About() plan.Thing    { return thing(n.of) }
func (m ringMember) About() plan.Thing    { return thing(m.of) }
func (a ownAddress) About() plan.Thing    { return thing(a.of) }
func (v revived) About() plan.Thing       { return thing(v.of) }
func (d readableDisk) About() plan.Thing  { return thing(d.of) }
func (w withDisk) About() plan.Thing      { return thing(w.of) }
func (t tagged) About() plan.Thing        { return thing(t.of) }
func (a sshAnswers) About() plan.Thing    { return thing(a.of) }
func (n nodeReady) About() plan.Thing     { return thing(n.of) }
func (h hasData) About() plan.Thing       { return thing(h.of) }
func (g machineGone) About() plan.Thing   { return thing(g.of) }
func (a ringAlone) About() plan.Thing     { return thing(a.of) }
func (t traffic) About() plan.Thing       { return thing(t.of) }
func (k kubeconfig) About() plan.Thing {
	return plan.Thing{Kind: "kubeconfig", Name: k.env.Want.Context}
}
func (b backendZone) About() plan.Thing {
	return plan.Thing{Kind: "backend", Name: b.env.Want.Names.MasterGroup(), Zone: b.zone}
}
func (s strayStep) About() plan.Thing {
	return plan.Thing{Kind: s.s.Kind, Name: s.s.Name, Zone: s.s.Zone, Region: s.s.Region}
}
