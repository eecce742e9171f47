package replicate

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzRings reads what a master may answer: it is refused, or it is whole and
// says the same when it is written and read again.
func FuzzRings(f *testing.F) {
	const (
		member = `{"id":"8e9e05c52164694d","name":"m","peerURLs":["https://m:2380"],"learner":false}`
		ring   = `{"members":[` + member + `],"leader":"8e9e05c52164694d","healthy":true,"revision":7,"error":""}`
	)
	f.Add([]byte(`{"rings":{"main":` + ring + `,"events":` + ring + `}}`))
	f.Add([]byte(`{"rings":{"main":{},"events":{}},"disk":{"bytes":2,"free":1},"clock":1767225600.123456}`))
	f.Add([]byte(`{"rings":null}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := parseMaster(text)
		if err != nil {
			return
		}
		for name, r := range x.Rings {
			if r.Healthy && (r.Leader == "" || len(r.Members) == 0) {
				t.Errorf("%s is healthy with leader %q and %d members", name, r.Leader, len(r.Members))
			}
			for _, m := range r.Members {
				if got, ok := r.ByPeerURL(m.PeerURLs[0]); !ok || got.ID != m.ID {
					t.Errorf("member %s is not found by %s", m.ID, m.PeerURLs[0])
				}
			}
		}
		again, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := parseMaster(again); err != nil || !reflect.DeepEqual(same, x) {
			t.Errorf("%s: read again %v: %+v, was %+v", again, err, same, x)
		}
	})
}

// FuzzHostKeys reads what a machine may have written into its guest attributes.
func FuzzHostKeys(f *testing.F) {
	f.Add("hostkeys/ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIJ8dVs2wYbP0q1rS8mCzwyVYd9OB9dC6KDLbTaMmDZ5m")
	f.Add("ssh-rsa", "AAAA")
	f.Add("hostkeys/", "")
	f.Add("hostkeys/a b", "x\nssh-rsa AAAA")
	f.Fuzz(func(t *testing.T, name, value string) {
		keys, err := ParseHostKeys(map[string]string{name: value})
		for _, k := range keys {
			if err != nil || k.Type() != strings.TrimPrefix(name, "hostkeys/") {
				t.Errorf("%q: %q gives a key of type %s (%v)", name, value, k.Type(), err)
			}
		}
	})
}

// FuzzLoginName: whoever one is here, over there it is a user's name and not root's.
func FuzzLoginName(f *testing.F) {
	for _, s := range []string{"root", "", "jane", `CORP\Jane Doe`, "jane@corp.example", "-x", "$(id)", "a\nb:ssh-rsa AAAA", "é", "r00t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, local string) {
		if got := LoginName(local); got == "root" || !loginName.MatchString(got) {
			t.Errorf("%q logs in as %q", local, got)
		}
	})
}
