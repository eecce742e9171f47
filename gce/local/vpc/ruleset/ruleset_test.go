package ruleset

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/vpctest"
)

var update = flag.Bool("update", false, "rewrite the golden files, and fail")

var gateway = netip.MustParseAddr("10.40.0.1")

// cluster is what hakube makes, and a lookalike in another project.
func cluster() emulator.Network {
	master := vpctest.Allow("kubernetes-master-https", "0.0.0.0/0", "tcp:443")
	master.TargetTags = []string{"kubernetes-master"}
	etcd := vpctest.Allow("kubernetes-master-etcd", "", "tcp:2380,2381")
	etcd.SourceTags, etcd.TargetTags = []string{"kubernetes-master"}, []string{"kubernetes-master"}
	nodes := vpctest.Allow("kubernetes-minion-all", "10.64.0.0/14", "tcp", "udp", "icmp", "esp", "ah", "sctp")
	nodes.TargetTags = []string{"kubernetes-minion"}
	internal := vpctest.Allow("kubernetes-default-internal-master", "10.0.0.0/8", "tcp:1-2379,2382-65535", "udp:1-65535", "icmp")
	internal.TargetTags = []string{"kubernetes-master"}
	deny := vpctest.Allow("no-telnet", "10.40.0.0/22 10.40.1.0/24", "tcp:23")
	deny.Deny = true
	out := vpctest.Allow("no-mail", "0.0.0.0/0", "tcp:25")
	out.Egress, out.Deny = true, true
	tunnel := vpctest.Allow("no-tunnel", "10.64.0.0/14", "ipip", "97", "nonsense", "tcp:0x16")
	tunnel.Egress, tunnel.Deny, tunnel.Priority, tunnel.TargetTags = true, true, 10, []string{"kubernetes-minion"}
	vip := vpctest.Allow("one-address", "0.0.0.0/0", "tcp:80")
	vip.Own = []netip.Prefix{netip.MustParsePrefix("198.51.100.240/32")}
	pods := vpctest.Allow("no-pods-to-nodes", "10.40.0.0/22", "tcp:10250")
	pods.Egress, pods.Deny, pods.Own = true, true, []netip.Prefix{netip.MustParsePrefix("10.64.0.0/14")}
	six := vpctest.Allow("six", "::/0", "all")
	nobody := vpctest.Allow("nobody", "0.0.0.0/0", "all")
	nobody.TargetTags = []string{"not-there"}
	other := vpctest.Allow("all", "0.0.0.0/0", "all")
	other.Project, other.Network = "domain.com:q", "net"
	return emulator.Network{
		Machines: []emulator.Machine{
			vpctest.Machine(42, "other", "10.50.0.2", vpctest.On("domain.com:q", "net"), vpctest.External("198.51.100.9")),
			vpctest.Machine(36, "kubernetes-minion-group-ab12", "10.40.0.3", vpctest.Tags("kubernetes-minion"), vpctest.External("198.51.100.8"), vpctest.Alias("10.64.1.0/24")),
			vpctest.Machine(35, "kubernetes-master", "10.40.0.2", vpctest.Tags("kubernetes-master"), vpctest.External("198.51.100.7"), vpctest.Alias("10.64.0.0/24")),
			vpctest.Machine(37, "kubernetes-minion-group-cd34", "10.40.0.4", vpctest.Tags("kubernetes-minion"), vpctest.Alias("10.64.2.0/24")),
		},
		Firewalls: []emulator.Firewall{master, etcd, nodes, internal, deny, out, tunnel, vip, pods, six, nobody, other},
	}
}

func TestRuleset(t *testing.T) {
	host := netip.MustParseAddr("198.18.172.1")
	for file, n := range map[string]emulator.Network{"empty": {}, "cluster": cluster(), "balanced": balanced()} {
		n, err := Settle(n)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		got, path := Text(n, host, poolsOf(n)), "testdata/"+file+".nft"
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
	a, _ := Settle(balanced())
	turned := balanced()
	slices.Reverse(turned.Balancers)
	slices.Reverse(turned.Machines)
	slices.Reverse(turned.Firewalls)
	b, _ := Settle(turned)
	if diff := cmp.Diff(Text(a, host, poolsOf(a)), Text(b, host, poolsOf(b))); diff != "" {
		t.Error(diff)
	}
}

func TestOverlap(t *testing.T) {
	n := emulator.Network{Machines: []emulator.Machine{
		vpctest.Machine(3, "late", "10.40.0.2", vpctest.On("p", "second")),
		vpctest.Machine(2, "early", "10.40.0.2"),
		vpctest.Machine(4, "inside", "10.64.0.9"),
		vpctest.Machine(1, "pods", "10.40.0.9", vpctest.Alias("10.64.0.0/24"), vpctest.External("198.51.100.7")),
		vpctest.Machine(5, "thief", "10.40.0.5", vpctest.External("198.51.100.7")),
		vpctest.Machine(6, "fine", "10.40.0.6"),
	}}
	got, err := Settle(n)
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
