package networks

import (
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// defaultRules are the firewall rules that come with a project's default network, in
// Google's words.
var defaultRules = []struct {
	name, text, from string
	allowed          []any
}{
	{"default-allow-icmp", "Allow ICMP from anywhere", "0.0.0.0/0", []any{doc.Obj{"IPProtocol": "icmp"}}},
	{"default-allow-internal", "Allow internal traffic on the default network", autoRange, []any{
		doc.Obj{"IPProtocol": "tcp", "ports": []any{"0-65535"}}, doc.Obj{"IPProtocol": "udp", "ports": []any{"0-65535"}}, doc.Obj{"IPProtocol": "icmp"}}},
	{"default-allow-rdp", "Allow RDP from anywhere", "0.0.0.0/0", []any{doc.Obj{"IPProtocol": "tcp", "ports": []any{"3389"}}}},
	{"default-allow-ssh", "Allow SSH from anywhere", "0.0.0.0/0", []any{doc.Obj{"IPProtocol": "tcp", "ports": []any{"22"}}}},
}

// Founded sees to what a project has from its first day: a network "default" with a
// subnetwork in each region and four rules. A project is new when nothing is in it;
// what somebody takes away of it later does not come back.
func Founded(s *api.Server, project string) error {
	note := doc.Ref("~founded/" + project)
	if s.Store.Read(note) != nil {
		return nil
	}
	made := false
	err := s.Store.Update(func(t *store.Tx) error {
		if t.Get(note) != nil {
			return nil
		}
		t.Put(note, doc.Obj{"name": project})
		for _, p := range t.Projects() {
			if p == project {
				return nil // it is from before there were such networks
			}
		}
		made = true
		return makeDefault(s, t, project)
	})
	if made {
		s.Net.Request()
	}
	return err
}

func makeDefault(s *api.Server, t *store.Tx, project string) error {
	r := doc.RefIn(project, "global", "networks", "default")
	err := makeNetwork(s, t, r, doc.Obj{"name": r.Name(), "description": "Default network for the project"})
	if err != nil {
		return err
	}
	came := []doc.Ref{r}
	for _, link := range doc.Strings(t.Get(r), "subnetworks") {
		came = append(came, doc.RefOf(link))
	}
	for _, rule := range defaultRules {
		f := r.Within("firewalls", rule.name)
		o := doc.Obj{
			"name": rule.name, "description": rule.text, "network": r.Link(), "priority": 65534, "direction": "INGRESS",
			"sourceRanges": []any{rule.from}, "allowed": doc.Plain(rule.allowed),
		}
		if err := completeFirewall(t, project, o); err != nil {
			return err
		}
		if err := s.New(t, f, o); err != nil {
			return err
		}
		came = append(came, f)
	}
	for _, x := range came {
		t.Put(x.Note("came"), doc.Obj{"id": t.Get(x)["id"]})
	}
	return nil
}

// CameWithProject reports whether an object is one of a project's first day.
func CameWithProject(t *store.Tx, r doc.Ref) bool {
	n := t.Get(r.Note("came"))
	return n != nil && n["id"] == t.Get(r)["id"]
}
