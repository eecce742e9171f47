package emulator

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

func firewalls() collection {
	return collection{
		resource: "firewalls", kind: "firewalls", item: "compute#firewall",
		methods: map[string]handler{"insert": insertFirewall, "delete": deleteFirewall, "patch": changeFirewall, "update": changeFirewall},
		works: map[string]work{
			"insert": {run: synced}, "patch": {run: synced}, "update": {run: synced},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "firewall", func(*tx, ref) ref { return "" })
			}},
		},
	}
}

func insertFirewall(c *call) (obj, error) {
	r := c.ref("firewalls", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if err := completeFirewall(t, c.project(), o); err != nil {
			return err
		}
		_, err := c.create(t, "firewalls", o)
		return err
	})
}

// changeFirewall is patch, which keeps what is not named, and update, which
// resets it.
func changeFirewall(c *call) (obj, error) {
	r := c.target("firewalls")
	return c.change(r, nil, func(t *tx) error {
		old := t.get(r)
		if old == nil {
			return notFound(r)
		}
		if err := immutable(old, c.body, "name", "network", "direction"); err != nil {
			return err
		}
		o := clone(c.body)
		if strings.HasSuffix(c.method.ID, ".patch") {
			o = clone(old)
			merge(o, c.body)
		}
		for _, k := range []string{"id", "creationTimestamp", "selfLink", "network", "name", "direction"} {
			o[k] = old[k]
		}
		if err := completeFirewall(t, c.project(), o); err != nil {
			return err
		}
		t.put(r, o)
		return nil
	})
}

func deleteFirewall(c *call) (obj, error) {
	r := c.target("firewalls")
	return c.change(r, nil, func(t *tx) error {
		if t.get(r) == nil {
			return notFound(r)
		}
		return nil
	})
}

// completeFirewall checks a rule and fills in what it leaves to Google.
func completeFirewall(t *tx, project string, o obj) error {
	for _, k := range []string{"sourceServiceAccounts", "targetServiceAccounts"} {
		if len(list(o, k)) > 0 {
			return notWritten("firewalls with " + k)
		}
	}
	network, err := networkOf(t, project, str(o, "network"), "resource.network")
	if err != nil {
		return err
	}
	o["network"] = network.link()
	fill(o, obj{"kind": "compute#firewall", "priority": 1000, "direction": "INGRESS", "disabled": false, "logConfig": obj{"enable": false}})
	if p := num(o, "priority"); p < 0 || p > 65535 {
		return invalid("resource.priority", p, "Must be between 0 and 65535.")
	}
	if (len(list(o, "allowed")) > 0) == (len(list(o, "denied")) > 0) {
		return refuse("Firewall rule must have exactly one of the fields 'allowed' and 'denied'.")
	}
	ingress := str(o, "direction") == "INGRESS"
	if ingress && len(list(o, "destinationRanges")) > 0 || !ingress && (len(list(o, "sourceRanges")) > 0 || len(list(o, "sourceTags")) > 0) {
		return refuse("Firewall rules for %s cannot have ranges of the other direction in this embedded GCE.", str(o, "direction"))
	}
	switch {
	case ingress && len(list(o, "sourceRanges")) == 0 && len(list(o, "sourceTags")) == 0:
		o["sourceRanges"] = []any{"0.0.0.0/0"}
	case !ingress && len(list(o, "destinationRanges")) == 0:
		o["destinationRanges"] = []any{"0.0.0.0/0"}
	}
	for _, k := range []string{"sourceRanges", "destinationRanges"} {
		for i, s := range stringsOf(o, k) {
			if _, err := looseRange(s); err != nil {
				return invalid(fmt.Sprintf("resource.%s[%d]", k, i), s, "Must be a valid IP address range.")
			}
		}
	}
	for _, k := range []string{"sourceTags", "targetTags"} {
		if err := checkTags(stringsOf(o, k), "resource."+k); err != nil {
			return err
		}
	}
	for _, k := range []string{"allowed", "denied"} {
		for i, p := range objects(o, k) {
			if err := checkProtocol(p, fmt.Sprintf("resource.%s[%d]", k, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// looseRange reads a range of a rule: a lone address is one too, and only
// IPv4 is known here.
func looseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, err
	}
	return p.Masked(), nil
}

var protocolNames = regexp.MustCompile(`^(?:tcp|udp|icmp|esp|ah|sctp|ipip|all)$`)

func checkProtocol(p obj, field string) error {
	name := strings.ToLower(str(p, "IPProtocol"))
	if name == "" {
		return missing(field + ".IPProtocol")
	}
	n, err := strconv.Atoi(name)
	if !protocolNames.MatchString(name) && (err != nil || n < 0 || n > 255) {
		return invalid(field+".IPProtocol", str(p, "IPProtocol"), "Invalid IP protocol specification.")
	}
	p["IPProtocol"] = name
	ports := stringsOf(p, "ports")
	if len(ports) > 0 && name != "tcp" && name != "udp" && name != "sctp" {
		return invalid(field+".ports", ports[0], "Ports may only be specified on rules whose protocol is one of [TCP, UDP, SCTP].")
	}
	for _, s := range ports {
		low, high, both := strings.Cut(s, "-")
		a, err := strconv.ParseUint(low, 10, 16)
		b := a
		if both && err == nil {
			b, err = strconv.ParseUint(high, 10, 16)
		}
		if err != nil || a > b {
			return invalid(field+".ports", s, "Must be an integer in the range [0-65535], optionally followed by a dash and another.")
		}
	}
	return nil
}
