package vpc

import (
	"testing"

	"hakube/gce/local/vpc/ruleset"
)

func TestNamesFitTheKernel(t *testing.T) {
	if n := ruleset.MachineLink(^uint64(0)); len(n) > 15 {
		t.Errorf("link name %s is longer than 15 letters", n)
	}
	if got := (Options{}).machineNS(35); got != "hakube-z" {
		t.Errorf("namespace %s", got)
	}
	if o := (Options{}); o.vpcNS() != "hakube-vpc" || o.hostLink() != "hakube0" {
		t.Errorf("%s, %s", o.vpcNS(), o.hostLink())
	}
}
