package scripts

// changes tells of every script that is sent over ssh whether it changes the
// machine or a ring, or only reads.
var changes = map[string]bool{
	"etcd-status":      false,
	"admin-kubeconfig": false,
	"diagnose":         false,
	"export-keys":      false,
	"backup":           false, // what it puts on the machine is gone when it ends
	"pod-routes":       false,
	"versions":         false,
	"old-secrets":      false,

	"etcd-member":        true, // each of its verbs
	"etcd-space":         true,
	"import-keys":        true,
	"start-etcd":         true,
	"join-control-plane": true,
	"retire":             true,
	"tend-machine":       true,
	"drill":              true, // but for check
	"restore":            true, // but for look

	"rotate-certificates": true,
	"encryption-key":      true,
	"service-account-key": true,
	"authority":           true,
	"etcd-authority":      true,
	"keep-rings":          true,
	"settle-version":      true,
	"settle-address":      true,
}

// Changes reports whether the script of that name ([Name]) changes something. One
// that is not known is taken for one that does.
func Changes(name string) bool {
	change, known := changes[name]
	return change || !known
}
