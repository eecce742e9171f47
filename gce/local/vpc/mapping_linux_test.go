package vpc

import (
	"bufio"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
	"hakube/gce/local/vpc/vpctest"
)

// TestSameAddresses has two networks, and a third of another project, with the
// very same addresses: in each all works as if it were alone, and nobody sees
// anybody of another one but by external addresses.
func TestSameAddresses(t *testing.T) {
	w := newWorld(t)
	var n emulator.Network
	type pair struct{ a, b emulator.Machine }
	var pairs []pair
	for i, id := range []ruleset.NetworkID{{Project: "p", Name: "default"}, {Project: "p", Name: "second"}, {Project: "q", Name: "default"}} {
		from := uint64(10 * (i + 1))
		p := pair{
			vpctest.Machine(from, id.Project+"-"+id.Name+"-a", "10.40.0.2", vpctest.On(id.Project, id.Name), vpctest.External(fmt.Sprint("198.51.100.", 241+i))),
			vpctest.Machine(from+1, id.Project+"-"+id.Name+"-b", "10.40.0.3", vpctest.On(id.Project, id.Name), vpctest.Alias("10.64.1.0/24")),
		}
		pairs = append(pairs, p)
		n.Machines = append(n.Machines, p.a, p.b)
		inside, outside := vpctest.Allow("inside", "10.0.0.0/8", "tcp:1000"), vpctest.Allow("outside", "198.51.100.0/24", "tcp:2000")
		for _, f := range []emulator.Firewall{inside, outside} {
			f.Project, f.Network = id.Project, id.Name
			n.Firewalls = append(n.Firewalls, f)
		}
	}
	w.boot(n)
	services, err := w.Listen("tcp", ruleset.Mirror.String()+":1000")
	if err != nil {
		t.Fatal(err)
	}
	w.repeat(services)
	for i, p := range pairs {
		w.serve(&p.a, "0.0.0.0:1000")
		w.serve(&p.a, "0.0.0.0:2000")
		w.pod(&p.b, "10.64.1.7")
		if i != 1 { // the second network's b is not there to answer for another one's
			w.serve(&p.b, "0.0.0.0:1000")
		}
	}
	for i, p := range pairs {
		w.want(&p.b, "", "10.40.0.2:1000", "10.40.0.3")
		w.want(&p.b, "10.64.1.7", "10.40.0.2:1000", "10.64.1.7")
		w.want(&p.b, "", "10.40.0.2:2000", "lost") // its rule is about others
		if !w.ping(&p.b, "10.40.0.3") {
			t.Errorf("%s does not answer itself", p.b.Name)
		}
		answer := "10.40.0.2"
		if i == 1 {
			answer = "refused" // by the machine itself: nobody listens
		}
		w.want(&p.a, "", "10.40.0.3:1000", answer)
		w.want(nil, "", p.a.NIC.External.String()+":2000", "lost") // the host is no 198.51.100.0/24
		next := pairs[(i+1)%len(pairs)]
		own := p.a.NIC.External.String()
		w.want(&p.a, "", next.a.NIC.External.String()+":2000", own)
		w.want(&p.a, "", next.a.NIC.External.String()+":1000", "lost") // it is no 10.0.0.0/8 by this way
		// What asks a service is known by where it comes from.
		asker := netip.MustParseAddr(w.seen(&p.b, "", ruleset.Mirror.String()+":1000", late))
		seen, address := w.From(asker)
		if address.String() != "10.40.0.3" || len(seen.Machines) != 2 || seen.Machines[1].Name != p.b.Name {
			t.Errorf("%s asks as %s, which is %s among %v", p.b.Name, asker, address, seen.Machines)
		}
	}
	// A guest may not use an address that another one appears with.
	w.want(&pairs[0].a, "", "241.40.0.2:1000", "lost")

	// The next process finds everybody as he is, also when the first network has gone.
	before, err := w.dial(&pairs[1].b, "", "10.40.0.2:1000", late)
	if err != nil {
		t.Fatal(err)
	}
	_ = before.SetDeadline(time.Now().Add(2 * late))
	lines := bufio.NewReader(before)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w.VPC, err = New(w.options); err != nil {
		t.Fatal(err)
	}
	n.Machines = n.Machines[2:]
	w.boot(n)
	w.want(&pairs[1].b, "", "10.40.0.2:1000", "10.40.0.3")
	w.want(&pairs[2].b, "", "10.40.0.2:1000", "10.40.0.3")
	if _, err := before.Write([]byte("still\n")); err != nil {
		t.Error(err)
	}
	if line, err := lines.ReadString('\n'); line != "still\n" {
		t.Errorf("the connection of before says %q: %v", line, err)
	}
}
