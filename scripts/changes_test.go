package scripts

import "testing"

// TestEachScriptChangesOrReads: nobody adds a script without saying which it is.
// What only reads never writes a file nor asks etcd for a change.
func TestEachScriptChangesOrReads(t *testing.T) {
	for name := range all {
		if _, known := changes[name]; !known && name != "startup-script" { // which is not sent over ssh
			t.Errorf("it is not said whether %s changes something", name)
		}
	}
	for name := range changes {
		if all[name] == "" {
			t.Errorf("there is no script %s", name)
		}
	}
	if Changes("etcd-status") || !Changes("retire") || !Changes("of tomorrow") {
		t.Error("a reading script changes, or a changing one does not")
	}
}
