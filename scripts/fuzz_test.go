package scripts

import (
	"regexp"
	"strings"
	"testing"
)

// line is all that a master's keys may add to the script that is run as root
// on another one.
var keyLine = regexp.MustCompile(`^((key|authority) (kubernetes|etcd)/pki/[a-z-]+\.(crt|key|pub) [A-Za-z0-9+/=]*|version v[0-9A-Za-z.+-]+|printf '\{"imported":%d\}\\n' "\$count")?$`)

// FuzzImportKeys renders what a master answered into a script: nothing of it
// gets there but names, base64 and a version.
func FuzzImportKeys(f *testing.F) {
	for _, s := range []string{
		`{"version":"v1.36.3","files":{"kubernetes/pki/ca.crt":"QUJD","etcd/pki/ca.key":""}}`,
		`{"version":"v1.36.3\nid","files":{"etcd/pki/ca.key":null}}`,
		`{"version":"v1.2.3","files":{"etcd/pki/ca.key\n$(id)":"QQ=="}}`,
		`{"version":"v1.2.3","files":{"etcd/pki/../x.key":"QQ=="}}`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, exported []byte) {
		script, err := ImportKeys(exported)
		if err != nil {
			return
		}
		added, ok := strings.CutPrefix(script, header("import-keys")+importKeys)
		if !ok {
			t.Fatal("the script begins otherwise")
		}
		for line := range strings.SplitSeq(added, "\n") {
			if !keyLine.MatchString(line) {
				t.Errorf("%q adds the line %q", exported, line)
			}
		}
	})
}
