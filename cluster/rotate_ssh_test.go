package cluster

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
	"hakube/replicate"
	"hakube/scripts"
)

// A fileKey is the key that a file has whenever it is used, as it is for an operator's next command.
type fileKey struct {
	t    testing.TB
	path string
}

func keyInFile(t testing.TB, private ed25519.PrivateKey) fileKey {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(private, "hakube")
	if err != nil {
		t.Fatal(err)
	}
	k := fileKey{t, filepath.Join(t.TempDir(), "key")}
	if err := os.WriteFile(k.path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k fileKey) now() ssh.Signer {
	signer, err := replicate.LoadKey(k.path, false)
	if err != nil {
		k.t.Errorf("there is no way in: %v", err)
		signer, _ = replicate.PassingKey()
	}
	return signer
}

func (k fileKey) PublicKey() ssh.PublicKey { return k.now().PublicKey() }
func (k fileKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.now().Sign(rand, data)
}

// lets tells whether a master lets somebody in with a key.
func (c *sickCluster) lets(i int, key ssh.Signer) bool {
	c.t.Helper()
	runner := replicate.NewRunner(replicate.Options{Signer: key, Dial: c.dial})
	defer runner.Close()
	h, err := c.o.runFor(settings.StatusVerb, hold{}).Host(c.t.Context(), inventory.Object{Kind: inventory.Instance, Name: c.names[i], Zone: c.zones[i]})
	c.must(err)
	_, err = runner.Run(c.t.Context(), h, scripts.EtcdStatus)
	if err != nil && !errors.Is(err, replicate.ErrDenied) {
		c.t.Fatal(err)
	}
	return err == nil
}

// withKey counts templates and machines that let a key in, and those that do not.
func (w *world) withKey(key ssh.PublicKey) (do, do_not []string) {
	text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	for path, doc := range w.objects() {
		properties, is := doc["properties"].(map[string]any)
		if !is {
			properties = doc
		}
		meta, _ := properties["metadata"].(map[string]any)
		items, _ := meta["items"].([]any)
		for _, x := range items {
			item := x.(map[string]any)
			switch {
			case item["key"] != scripts.KeySSHKeys:
			case strings.Contains(fmt.Sprint(item["value"]), text):
				do = append(do, path)
			default:
				do_not = append(do_not, path)
			}
		}
	}
	return do, do_not
}

// TestRotateSSH: masters, templates and nodes let the new key in and the old one no more, whoever
// else they let in stays, no machine is made again, and the file has the new one, with that of before beside it.
func TestRotateSSH(t *testing.T) {
	besideOthers(t)
	for _, masters := range []int{2, 1} {
		if testing.Short() && masters == 1 {
			continue
		}
		c := newSick(t, masters)
		c.mustUp(c.o.pool(zoneC, 1))
		other := c.operator(func(s *settings.Settings) { s.NumNodes = 1 })
		c.mustUp(other) // lets another operator in
		path, old, ids := c.o.deps.KeyFile, c.o.deps.Signer.(fileKey).now(), c.nodeIDs()
		c.unchanged(func() {
			if n, err := c.o.PreviewRotate(t.Context(), inventory.RotateSSH, c.events()); err != nil || n == 0 {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		s, err := c.o.Rotate(t.Context(), inventory.RotateSSH, c.events())
		c.must(err)
		if s.Nothing || len(s.Rotated) != masters+2 || len(s.Warnings) > 0 && masters == 1 {
			t.Errorf("summary: %+v", s)
		}
		fresh := c.o.deps.Signer.(fileKey).now()
		if string(fresh.PublicKey().Marshal()) == string(old.PublicKey().Marshal()) {
			t.Fatal("the file has the key of before")
		}
		for i, name := range c.names {
			if c.lets(i, old) || !c.lets(i, fresh) || !c.lets(i, other.deps.Signer) {
				t.Errorf("%s lets in the old key: %t, the new one: %t, another operator: %t", name, c.lets(i, old), c.lets(i, fresh), c.lets(i, other.deps.Signer))
			}
		}
		if do, _ := c.withKey(old.PublicKey()); len(do) > 0 {
			t.Errorf("these let the old key in: %v", do)
		}
		if _, do_not := c.withKey(fresh.PublicKey()); len(do_not) > 0 {
			t.Errorf("these do not let the new key in: %v", do_not)
		}
		files, err := filepath.Glob(path + "*")
		c.must(err)
		if len(files) != 4 { // both keys with their public halves
			t.Errorf("files are %v", files)
		}
		public, err := os.ReadFile(path + ".pub")
		c.must(err)
		if !strings.HasPrefix(string(public), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(fresh.PublicKey())))) {
			t.Errorf("beside it is %s", public)
		}
		for path, id := range c.nodeIDs() {
			if ids[path] != id {
				t.Errorf("%s was made again", path)
			}
		}
		c.whole(masters)
		nothingToDo(t, c.world, c.o)
		_, err = c.o.Rotate(t.Context(), inventory.RotateSSH, c.events())
		c.must(err)
		for i, name := range c.names {
			if c.lets(i, fresh) || !c.lets(i, c.o.deps.Signer) {
				t.Errorf("once more: %s lets in that of before: %t", name, c.lets(i, fresh))
			}
		}
		c.whole(masters)
		c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	}
}

// TestRotateSSHStops: where it stops, masters let in the key that is in its place, status names the
// command, and that ends it with the key that was made.
func TestRotateSSHStops(t *testing.T) {
	long(t, "TestRotateSSH")
	besideOthers(t)
	for name, at := range map[string]struct {
		path  string
		after int // how many such calls go well
	}{
		"the second master lets it in": {"/setMetadata", 1}, "the first one lets the other out": {"/setMetadata", 2},
		"the second one does": {"/setMetadata", 3}, "a template": {"/instanceTemplates", 0}, "nodes": {"/applyUpdatesToInstances", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newSick(t, 2)
			old, calls := c.o.deps.Signer.(fileKey).now(), 0
			c.setFault(func(r *http.Request) emulator.Fault {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, at.path) {
					return emulator.Fault{}
				}
				if calls++; calls <= at.after {
					return emulator.Fault{}
				}
				return emulator.Fault{Operation: quotaExceeded}
			})
			if _, err := c.o.Rotate(t.Context(), inventory.RotateSSH, c.events()); err == nil {
				t.Fatal("it did not stop")
			}
			c.setFault(nil)
			for i, name := range c.names {
				if !c.lets(i, c.o.deps.Signer) {
					t.Errorf("%s does not let in the key in its place", name)
				}
			}
			c.leftUndone("a rotation of ssh is not done: machines may let the key of before in", "hakube rotate ssh")
			made, err := filepath.Glob(c.o.deps.KeyFile + ".*-*")
			c.must(err)
			c.must(c.follow(c.o, "hakube rotate ssh"))
			for i, name := range c.names {
				if c.lets(i, old) || !c.lets(i, c.o.deps.Signer) {
					t.Errorf("%s lets in the old key: %t, that in its place: %t", name, c.lets(i, old), c.lets(i, c.o.deps.Signer))
				}
			}
			if now, err := filepath.Glob(c.o.deps.KeyFile + ".before-*"); err != nil || len(now) != 2 || len(made) == 0 {
				t.Errorf("files were %v and are %v, %v", made, now, err)
			}
			c.whole(2)
			nothingToDo(t, c.world, c.o)
		})
	}
}

// TestRotateSSHOfAnother: a rotation that another operator has begun is none of this one's key, which
// is exchanged all the same; what the project's own metadata let in is told.
func TestRotateSSHOfAnother(t *testing.T) {
	long(t, "TestRotateSSH")
	besideOthers(t)
	c := newSick(t, 1)
	other := c.operator(func(s *settings.Settings) { s.NumNodes = 1 })
	c.mustUp(other)
	c.setFault(failing("/applyUpdatesToInstances"))
	if _, err := c.o.Rotate(t.Context(), inventory.RotateSSH, c.events()); err == nil {
		t.Fatal("it did not stop")
	}
	c.setFault(nil)
	mine := other.deps.Signer.(fileKey).now()
	s, err := other.Rotate(t.Context(), inventory.RotateSSH, c.events())
	c.must(err)
	if len(s.Warnings) > 0 {
		t.Errorf("it warns: %q", s.Warnings)
	}
	if c.lets(0, mine) || !c.lets(0, other.deps.Signer) || !c.lets(0, c.o.deps.Signer) {
		t.Error("another operator's key was not exchanged, or this one's is let in no more")
	}
	c.projectSays(scripts.KeySSHKeys, replicate.AuthorizedLine("me", c.o.deps.Signer))
	s, err = c.o.Rotate(t.Context(), inventory.RotateSSH, c.events())
	c.must(err)
	if !strings.Contains(strings.Join(s.Warnings, "\n"), "is in the project's metadata too") {
		t.Errorf("it warns: %q", s.Warnings)
	}
	c.whole(1)
}
