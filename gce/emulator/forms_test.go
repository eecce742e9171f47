package emulator

import (
	"fmt"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestFormsOfNumbers: what clients of several languages write for a number is
// taken in any method, and answered as the document says.
func TestFormsOfNumbers(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	w.template("tmpl")
	w.made("POST", zoneB+"disks", doc.Obj{"name": "d", "sizeGb": 10})
	w.made("POST", zoneB+"instances", instance("i", nil))
	w.made("POST", "projects/p/global/healthChecks", doc.Obj{"name": "c", "type": "TCP", "checkIntervalSec": "7", "tcpHealthCheck": doc.Obj{"port": "443"}})
	w.made("PATCH", "projects/p/global/healthChecks/c", doc.Obj{"timeoutSec": "3"})
	w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": "0", "instanceTemplate": "global/instanceTemplates/tmpl"})
	w.made("POST", "projects/p/global/firewalls", doc.Obj{"name": "f", "priority": "900", "disabled": "true", "logConfig": doc.Obj{"enable": "false"}, "allowed": []any{doc.Obj{"IPProtocol": "tcp"}}})
	w.made("POST", "projects/p/global/routes", doc.Obj{"name": "r", "network": "global/networks/default", "destRange": "192.168.6.0/24", "nextHopGateway": "global/gateways/default-internet-gateway"})
	for _, c := range []struct {
		path  string
		field []string
		want  any
	}{
		{zoneB + "disks/d", []string{"sizeGb"}, "10"},
		{"projects/p/global/healthChecks/c", []string{"checkIntervalSec"}, 7.0},
		{"projects/p/global/healthChecks/c", []string{"timeoutSec"}, 3.0},
		{"projects/p/global/healthChecks/c", []string{"tcpHealthCheck", "port"}, 443.0},
		{zoneB + "instanceGroupManagers/g", []string{"targetSize"}, 0.0},
		{"projects/p/global/firewalls/f", []string{"priority"}, 900.0},
		{"projects/p/global/firewalls/f", []string{"disabled"}, true},
		{"projects/p/global/firewalls/f", []string{"logConfig", "enable"}, false},
		{"projects/p/global/routes/r", []string{"priority"}, 1000.0},
	} {
		var v any = w.get(c.path)
		for _, k := range c.field {
			v = v.(doc.Obj)[k]
		}
		if v != c.want {
			t.Errorf("%s of %s is %T %v, want %T %v", c.field, c.path, v, v, c.want, c.want)
		}
	}
	// What is no number in any form is refused as it was.
	for i, o := range []doc.Obj{{"sizeGb": "ten"}, {"sizeGb": 1.5}, {"sizeGb": true}, {"sizeGb": []any{"1"}}, {"physicalBlockSizeBytes": "NaN"}} {
		o["name"] = fmt.Sprintf("bad%d", i)
		w.refused(400, "invalid", "POST", zoneB+"disks", o)
	}
	for _, v := range []any{"NaN", "Infinity", "0x10", "1_0", "", "seven"} {
		w.refused(400, "invalid", "POST", "projects/p/global/healthChecks", doc.Obj{"name": "bad", "type": "TCP", "checkIntervalSec": v})
	}
	w.refused(400, "invalid", "POST", "projects/p/global/firewalls", doc.Obj{"name": "bad", "disabled": "yes", "allowed": []any{doc.Obj{"IPProtocol": "tcp"}}})
}
