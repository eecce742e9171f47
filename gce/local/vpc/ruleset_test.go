package vpc

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/gce/emulator"
)

var update = flag.Bool("update", false, "rewrite the golden files, and fail")

var gateway = netip.MustParseAddr("10.40.0.1")

// machine is a machine of project "p" and network "default" unless changed.
func machine(id uint64, name, address string, change ...func(*emulator.Machine)) emulator.Machine {
	a := netip.MustParseAddr(address)
	b := a.As4()
	m := emulator.Machine{
		MachineKey: emulator.MachineKey{Project: "p", Zone: "europe-west1-b", Name: name, ID: id},
		NIC: emulator.NIC{
			Network: "default", Gateway: gateway, Address: a, MTU: 1460,
			MAC: fmt.Sprintf("42:01:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]),
		},
	}
	for _, f := range change {
		f(&m)
	}
	return m
}

func tags(names ...string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.Tags = names }
}

func external(a string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.NIC.External = netip.MustParseAddr(a) }
}

func alias(p string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.NIC.Aliases = append(m.NIC.Aliases, netip.MustParsePrefix(p)) }
}

func on(project, network string) func(*emulator.Machine) {
	return func(m *emulator.Machine) { m.Project, m.NIC.Network = project, network }
}

// allow is an ingress rule from ranges, "tcp:22,443" and the like.
func allow(name, from string, what ...string) emulator.Firewall {
	f := emulator.Firewall{Project: "p", Network: "default", Name: name, Priority: 1000}
	for r := range strings.FieldsSeq(from) {
		f.Ranges = append(f.Ranges, netip.MustParsePrefix(r))
	}
	for _, w := range what {
		proto, list, _ := strings.Cut(w, ":")
		p := emulator.Protocol{Name: proto}
		if list != "" {
			p.Ports = strings.Split(list, ",")
		}
		f.Allowed = append(f.Allowed, p)
	}
	return f
}

// cluster is what hakube makes, and a lookalike in another project.
func cluster() emulator.Network {
	master := allow("kubernetes-master-https", "0.0.0.0/0", "tcp:443")
	master.TargetTags = []string{"kubernetes-master"}
	etcd := allow("kubernetes-master-etcd", "", "tcp:2380,2381")
	etcd.SourceTags, etcd.TargetTags = []string{"kubernetes-master"}, []string{"kubernetes-master"}
	nodes := allow("kubernetes-minion-all", "10.64.0.0/14", "tcp", "udp", "icmp", "esp", "ah", "sctp")
	nodes.TargetTags = []string{"kubernetes-minion"}
	internal := allow("kubernetes-default-internal-master", "10.0.0.0/8", "tcp:1-2379,2382-65535", "udp:1-65535", "icmp")
	internal.TargetTags = []string{"kubernetes-master"}
	deny := allow("no-telnet", "10.40.0.0/22 10.40.1.0/24", "tcp:23")
	deny.Deny = true
	out := allow("no-mail", "0.0.0.0/0", "tcp:25")
	out.Egress, out.Deny = true, true
	tunnel := allow("no-tunnel", "10.64.0.0/14", "ipip", "97", "nonsense", "tcp:0x16")
	tunnel.Egress, tunnel.Deny, tunnel.Priority, tunnel.TargetTags = true, true, 10, []string{"kubernetes-minion"}
	nobody := allow("nobody", "0.0.0.0/0", "all")
	nobody.TargetTags = []string{"not-there"}
	other := allow("all", "0.0.0.0/0", "all")
	other.Project, other.Network = "domain.com:q", "net"
	return emulator.Network{
		Machines: []emulator.Machine{
			machine(42, "other", "10.50.0.2", on("domain.com:q", "net"), external("198.51.100.9")),
			machine(36, "kubernetes-minion-group-ab12", "10.40.0.3", tags("kubernetes-minion"), external("198.51.100.8"), alias("10.64.1.0/24")),
			machine(35, "kubernetes-master", "10.40.0.2", tags("kubernetes-master"), external("198.51.100.7"), alias("10.64.0.0/24")),
			machine(37, "kubernetes-minion-group-cd34", "10.40.0.4", tags("kubernetes-minion"), alias("10.64.2.0/24")),
		},
		Firewalls: []emulator.Firewall{master, etcd, nodes, internal, deny, out, tunnel, nobody, other},
	}
}

func TestRuleset(t *testing.T) {
	host := netip.MustParseAddr("198.18.172.1")
	for file, n := range map[string]emulator.Network{"empty": {}, "cluster": cluster(), "balanced": balanced()} {
		n, err := settle(n)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		got, path := ruleset(n, host, poolsOf(n)), "testdata/"+file+".nft"
		want, _ := os.ReadFile(path)
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// The order in which the API tells of things does not matter.
func TestRulesetIsAFunctionOfWhatIsThere(t *testing.T) {
	host := netip.MustParseAddr("198.18.172.1")
	a, _ := settle(balanced())
	turned := balanced()
	slices.Reverse(turned.Balancers)
	slices.Reverse(turned.Machines)
	slices.Reverse(turned.Firewalls)
	b, _ := settle(turned)
	if diff := cmp.Diff(ruleset(a, host, poolsOf(a)), ruleset(b, host, poolsOf(b))); diff != "" {
		t.Error(diff)
	}
}

func TestOverlap(t *testing.T) {
	n := emulator.Network{Machines: []emulator.Machine{
		machine(3, "late", "10.40.0.2", on("p", "second")),
		machine(2, "early", "10.40.0.2"),
		machine(4, "inside", "10.64.0.9"),
		machine(1, "pods", "10.40.0.9", alias("10.64.0.0/24"), external("198.51.100.7")),
		machine(5, "thief", "10.40.0.5", external("198.51.100.7")),
		machine(6, "fine", "10.40.0.6"),
	}}
	got, err := settle(n)
	var names []string
	for _, m := range got.Machines {
		names = append(names, m.Name)
	}
	if want := []string{"pods", "early", "fine"}; !slices.Equal(names, want) {
		t.Errorf("machines %q, want %q", names, want)
	}
	var o *Overlap
	if !errors.As(err, &o) || o.Hint() == "" {
		t.Fatalf("error %v", err)
	}
	for _, part := range []string{`"late" of p: 10.40.0.2/32 is in use by instance "early"`, `"inside"`, `"thief"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %s", err, part)
		}
	}
}

func TestPorts(t *testing.T) {
	for in, want := range map[string]string{
		"22":                      "22",
		"2382-65535 1-2379":       "1-2379 2382-65535",
		"80 81 82-90 85":          "80-90",
		"0-65535 443":             "0-65535",
		"65535 65534":             "65534-65535",
		"70000 -1 5-3 x 0x16 1-b": "",
	} {
		var got []string
		for _, p := range ports(strings.Fields(in)) {
			got = append(got, p.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestNamesFitTheKernel(t *testing.T) {
	if n := machineLink(^uint64(0)); len(n) > 15 {
		t.Errorf("link name %s is longer than 15 letters", n)
	}
	if got := (Options{}).machineNS(35); got != "hakube-z" {
		t.Errorf("namespace %s", got)
	}
	if o := (Options{}); o.vpcNS() != "hakube-vpc" || o.hostLink() != "hakube0" {
		t.Errorf("%s, %s", o.vpcNS(), o.hostLink())
	}
}
