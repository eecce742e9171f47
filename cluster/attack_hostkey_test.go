package cluster

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hakube/gce/emulator"
	"hakube/gce/gcetest"
	"hakube/replicate"
)

// TestAnotherAnswers: whoever answers at the master's address with a host key
// that is not the one the API tells of gets no login, no script and no
// credentials of ours, also when a connection was good before. A machine that
// was made again, and tells of its new key itself, is spoken to.
func TestAnotherAnswers(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	if _, err := o.Up(t.Context(), w.events()); err != nil {
		t.Fatal(err)
	}
	guest, err := w.models.Guest("kubernetes-master", zoneB)
	if err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	tell := func(key ssh.PublicKey) {
		t.Helper()
		_, value, _ := strings.Cut(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), " ")
		w.tell("kubernetes-master", "hostkeys/"+key.Type(), value)
	}
	tell(other.PublicKey()) // the machine's key is another than who answers has
	if err := os.Remove(o.kubeconfig); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_, err = o.Up(t.Context(), w.events())
	var key *replicate.HostKeyError
	if !errors.As(err, &key) {
		t.Fatalf("somebody else answered, and up says %v", err)
	}
	for _, part := range []string{"kubernetes-master", ssh.FingerprintSHA256(guest.HostKey()), ssh.FingerprintSHA256(other.PublicKey())} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %s in: %v", part, err)
		}
	}
	if !strings.Contains(key.Hint(), "or another machine answers at") || !strings.Contains(key.Hint(), "get-guest-attributes kubernetes-master --zone=europe-west1-b ") {
		t.Errorf("the hint is %q", key.Hint())
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v to refuse", took)
	}
	if _, err := os.Stat(o.kubeconfig); err == nil {
		t.Error("a kubeconfig was written")
	}

	tell(guest.HostKey())
	if _, err := o.Up(t.Context(), w.events()); err != nil {
		t.Errorf("with the right key: %v", err)
	}
	if err := w.Client.Instances(gcetest.Zone).Delete(t.Context(), "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(o.kubeconfig); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Up(t.Context(), w.events()); err != nil {
		t.Errorf("with a machine made again: %v", err)
	}
}

// tell writes a guest attribute as a machine of the first zone does.
func (w *world) tell(machine, path, value string) {
	w.t.Helper()
	i, err := w.Client.Instances(zoneB).Get(context.Background(), machine)
	if err != nil {
		w.t.Fatal(err)
	}
	h, ok := w.Server.MetadataFor(emulator.MachineKey{Project: gcetest.Project, Zone: zoneB, Name: machine, ID: i.GetId()})
	if !ok {
		w.t.Fatalf("no metadata for %s", machine)
	}
	r := httptest.NewRequest(http.MethodPut, "/computeMetadata/v1/instance/guest-attributes/"+path, strings.NewReader(value))
	r.Header.Set("Metadata-Flavor", "Google")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		w.t.Fatalf("writing guest attribute %s: %d %s", path, rec.Code, rec.Body)
	}
}
