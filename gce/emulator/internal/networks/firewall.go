package networks

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func firewalls() api.Collection {
	return api.Collection{
		Resource: "firewalls", Kind: "firewalls", Item: "compute#firewall",
		Methods: map[string]api.Handler{"insert": insertFirewall, "delete": deleteFirewall, "patch": changeFirewall, "update": changeFirewall},
		Lacks:   map[string][]string{"insert": firewallLacks, "patch": firewallLacks, "update": firewallLacks},
		Works: map[string]api.Work{
			"insert": {Run: api.Synced}, "patch": {Run: api.Synced}, "update": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "firewall", func(*store.Tx, doc.Ref) doc.Ref { return "" })
			}},
		},
	}
}

var firewallLacks = []string{"sourceServiceAccounts", "targetServiceAccounts"}

func insertFirewall(c *api.Call) (doc.Obj, error) {
	r := c.Ref("firewalls", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if err := completeFirewall(t, c.Project(), o); err != nil {
			return err
		}
		_, err := c.Create(t, "firewalls", o)
		return err
	})
}

// changeFirewall is patch, which keeps what is not named, and update, which
// resets it.
func changeFirewall(c *api.Call) (doc.Obj, error) {
	r := c.Target("firewalls")
	return c.Change(r, nil, func(t *store.Tx) error {
		old := t.Get(r)
		if old == nil {
			return problem.NotFound(r)
		}
		if err := api.Immutable(old, c.Body, "name", "network", "direction"); err != nil {
			return err
		}
		o := doc.Clone(c.Body)
		if strings.HasSuffix(c.Method.ID, ".patch") {
			o = doc.Clone(old)
			doc.Merge(o, c.Body)
		}
		for _, k := range []string{"id", "creationTimestamp", "selfLink", "network", "name", "direction"} {
			o[k] = old[k]
		}
		if err := completeFirewall(t, c.Project(), o); err != nil {
			return err
		}
		t.Put(r, o)
		return nil
	})
}

func deleteFirewall(c *api.Call) (doc.Obj, error) {
	r := c.Target("firewalls")
	return c.Change(r, nil, func(t *store.Tx) error {
		if t.Get(r) == nil {
			return problem.NotFound(r)
		}
		return nil
	})
}

// completeFirewall checks a rule and fills in what it leaves to Google.
func completeFirewall(t *store.Tx, project string, o doc.Obj) error {
	network, err := NetworkOf(t, project, doc.Str(o, "network"), "resource.network")
	if err != nil {
		return err
	}
	o["network"] = network.Link()
	doc.Fill(o, doc.Obj{"kind": "compute#firewall", "priority": 1000, "direction": "INGRESS", "disabled": false, "logConfig": doc.Obj{"enable": false}})
	if p := doc.Num(o, "priority"); p < 0 || p > 65535 {
		return problem.Invalid("resource.priority", p, "Must be between 0 and 65535.")
	}
	if (len(doc.List(o, "allowed")) > 0) == (len(doc.List(o, "denied")) > 0) {
		return problem.Refuse("Firewall rule must have exactly one of the fields 'allowed' and 'denied'.")
	}
	ingress := doc.Str(o, "direction") == "INGRESS"
	if !ingress && len(doc.List(o, "sourceTags")) > 0 {
		return problem.Refuse("Firewall rules for EGRESS cannot have source tags.")
	}
	switch {
	case ingress && len(doc.List(o, "sourceRanges")) == 0 && len(doc.List(o, "sourceTags")) == 0:
		o["sourceRanges"] = []any{"0.0.0.0/0"}
	case !ingress && len(doc.List(o, "destinationRanges")) == 0:
		o["destinationRanges"] = []any{"0.0.0.0/0"}
	}
	for _, k := range []string{"sourceRanges", "destinationRanges"} {
		for i, s := range doc.Strings(o, k) {
			if _, err := looseRange(s); err != nil {
				return problem.Invalid(fmt.Sprintf("resource.%s[%d]", k, i), s, "Must be a valid IP address range.")
			}
		}
	}
	for _, k := range []string{"sourceTags", "targetTags"} {
		if err := identity.CheckTags(doc.Strings(o, k), "resource."+k); err != nil {
			return err
		}
	}
	for _, k := range []string{"allowed", "denied"} {
		for i, p := range doc.Objects(o, k) {
			if err := checkProtocol(p, fmt.Sprintf("resource.%s[%d]", k, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

var protocolNames = regexp.MustCompile(`^(?:tcp|udp|icmp|esp|ah|sctp|ipip|all)$`)

func checkProtocol(p doc.Obj, field string) error {
	name := strings.ToLower(doc.Str(p, "IPProtocol"))
	if name == "" {
		return problem.Missing(field + ".IPProtocol")
	}
	n, err := strconv.Atoi(name)
	if !protocolNames.MatchString(name) && (err != nil || n < 0 || n > 255) {
		return problem.Invalid(field+".IPProtocol", doc.Str(p, "IPProtocol"), "Invalid IP protocol specification.")
	}
	p["IPProtocol"] = name
	ports := doc.Strings(p, "ports")
	if len(ports) > 0 && name != "tcp" && name != "udp" && name != "sctp" {
		return problem.Invalid(field+".ports", ports[0], "Ports may only be specified on rules whose protocol is one of [TCP, UDP, SCTP].")
	}
	for _, s := range ports {
		low, high, both := strings.Cut(s, "-")
		a, err := strconv.ParseUint(low, 10, 16)
		b := a
		if both && err == nil {
			b, err = strconv.ParseUint(high, 10, 16)
		}
		if err != nil || a > b {
			return problem.Invalid(field+".ports", s, "Must be an integer in the range [0-65535], optionally followed by a dash and another.")
		}
	}
	return nil
}

// FirewallOf is a rule as the network behind the API knows it.
func FirewallOf(project string, o doc.Obj) backend.Firewall {
	f := backend.Firewall{
		Project: project, Network: doc.Ref(doc.Str(o, "network")).Name(), Name: doc.Str(o, "name"), Priority: int(doc.Num(o, "priority")),
		Egress: doc.Str(o, "direction") == "EGRESS", Deny: len(doc.List(o, "denied")) > 0,
		SourceTags: doc.Strings(o, "sourceTags"), TargetTags: doc.Strings(o, "targetTags"),
	}
	f.Ranges, f.Own = rangesOf(doc.Strings(o, "sourceRanges")), rangesOf(doc.Strings(o, "destinationRanges"))
	if f.Egress {
		f.Ranges, f.Own = f.Own, f.Ranges
	}
	for _, k := range []string{"allowed", "denied"} {
		for _, p := range doc.Objects(o, k) {
			f.Allowed = append(f.Allowed, backend.Protocol{Name: doc.Str(p, "IPProtocol"), Ports: doc.Strings(p, "ports")})
		}
	}
	return f
}

// rangesOf are the ranges that a rule names in one field. Those of IPv6 stay: without
// them a rule that has no others would be about everybody.
func rangesOf(named []string) (out []netip.Prefix) {
	for _, s := range named {
		if p, err := looseRange(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}
