package sweep

import (
	"testing"

	"hakube/cluster/inventory"
)

// TestBill: what costs money is told by kind, with what tells how much, and what is free
// is not.
func TestBill(t *testing.T) {
	of := func(k inventory.Kind, size, class, address string) Orphan {
		return Orphan{Kind: string(k), Size: size, Class: class, Address: address, Billed: billed[k]}
	}
	list := []Orphan{
		of(inventory.Disk, "10GB", "pd-standard", ""), of(inventory.Firewall, "", "", ""), of(inventory.Address, "", "", "198.51.100.9"),
		of(inventory.Disk, "1GB", "pd-ssd", ""), of(inventory.Snapshot, "10GB", "", ""), of(inventory.TargetPool, "", "", ""), of(inventory.ForwardingRule, "", "", "198.51.100.9"),
	}
	const want = "2 × disk (10GB pd-standard, 1GB pd-ssd), 1 × address (198.51.100.9), 1 × snapshot (10GB), 1 × forwarding rule (198.51.100.9)"
	if got := Bill(list); got != want {
		t.Errorf("Bill = %q, want %q", got, want)
	}
	if got := (Found{Ours: list[1:2], Perhaps: list[5:6]}).Bill(); got != "" {
		t.Errorf("of what is free: %q", got)
	}
	if got := (Found{Ours: list[:1], Perhaps: list[3:4]}).Bill(); got != "2 × disk (10GB pd-standard, 1GB pd-ssd)" {
		t.Errorf("of both: %q", got)
	}
}
