package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
	"hakube/replicate"
	"hakube/scripts"
)

// entry is what the operator's kubeconfig has of the cluster.
func (o *operator) entry(t *testing.T) kube.Entry {
	t.Helper()
	e, ok := kube.EntryOf(readConfig(t, o.kubeconfig), "local_kubernetes")
	if !ok {
		t.Fatal("the kubeconfig has no entry")
	}
	return e
}

// TestCredentials: an operator's certificate lives days if it is asked for, by the
// command or by a setting of up, and only then; what lives days is followed by what does.
// The cluster is not touched.
func TestCredentials(t *testing.T) {
	besideOthers(t)
	ctx := context.Background()
	w, _ := newModelWorld(t)
	o := w.operator()
	bare := o.shell(t, nil)
	w.mustUp(bare)
	masters := o.entry(t)
	if user, _ := masters.User(); user != "kubernetes-admin" || masters.OfDays() {
		t.Errorf("up gave the credentials of %s", user)
	}
	before := w.objects()
	renew := func(o *operator, days int) kube.Entry {
		t.Helper()
		_, changes := w.counts(func() {
			x, err := o.Credentials(ctx)
			if err != nil {
				t.Fatal(err)
			}
			user, until := o.entry(t).User()
			if x.User != user || x.Until != until.UTC().Format(time.RFC3339) || x.File != o.kubeconfig || x.Context != "local_kubernetes" {
				t.Errorf("told of %+v, the kubeconfig has %s until %s", x, user, until)
			}
		})
		if changes != 0 {
			t.Errorf("%d changing calls", changes)
		}
		e := o.entry(t)
		if _, until := e.User(); days > 0 && (!e.OfDays() || time.Until(until).Round(time.Hour) != time.Duration(days)*24*time.Hour) {
			t.Errorf("asked for %d days, it lives until %s", days, until)
		}
		return e
	}
	first := renew(bare, kube.UsualDays)
	if second := renew(bare, kube.UsualDays); string(second.Cert) == string(first.Cert) || string(second.Key) == string(first.Key) {
		t.Error("the certificate was not made anew")
	}
	renew(o.shell(t, map[string]string{"HAKUBE_CERTIFICATE_DAYS": "2"}), 2)
	nothingToDo(t, w, bare)
	if v, err := bare.Validate(ctx); err != nil || !v.Valid {
		t.Errorf("validate: %+v, %v", v, err)
	}
	if e := renew(o.shell(t, map[string]string{"HAKUBE_CERTIFICATE_DAYS": "0"}), 0); string(e.Cert) != string(masters.Cert) {
		t.Error("0 days are not the masters' own certificate")
	}
	days := o.shell(t, map[string]string{"HAKUBE_CERTIFICATE_DAYS": "30"})
	w.mustUp(days)
	if e := o.entry(t); !e.OfDays() {
		t.Error("up with days left the masters' own certificate")
	}
	nothingToDo(t, w, days)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}

// TestEndedCredentials: a certificate of days that has ended is in nobody's way. What
// looks and what removes ask a master for another one, up makes one of days anew.
func TestEndedCredentials(t *testing.T) {
	besideOthers(t)
	ctx := context.Background()
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	end := func() {
		t.Helper()
		r := o.runFor(settings.Up, hold{})
		from := inventory.Object{Kind: inventory.Instance, Name: "kubernetes-master", Zone: zoneB, Role: inventory.RoleMaster}
		var e kube.Entry
		err := r.OverSSH(ctx, from, time.Minute, func(ctx context.Context, h replicate.Host) error {
			out, err := r.Deps.SSH.Run(ctx, h, scripts.AdminKubeconfig, "0", "alice") // such as ends at once
			if err == nil {
				e, err = kube.AdminEntry(out)
			}
			return err
		})
		if err == nil {
			e.Server = o.entry(t).Server
			err = kube.Files{o.kubeconfig}.Edit(ctx, nil, time.Millisecond, func(c *clientcmdapi.Config) error { r.Put(c, e); return nil })
		}
		if err != nil {
			t.Fatal(err)
		}
		if why := o.entry(t).Over(time.Now()); !strings.HasPrefix(why, "its certificate has ended at ") {
			t.Fatalf("the certificate made for this has not ended: %q", why)
		}
	}
	end()
	if s, err := o.Status(ctx); err != nil || s.Pools[0].Ready == nil {
		t.Errorf("status: %+v, %v", s, err)
	}
	v, err := o.Validate(ctx)
	if err != nil || v.Valid || len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Why, "does not open the API") {
		t.Errorf("validate: %+v, %v", v, err)
	}
	w.mustUp(o)
	if e := o.entry(t); !e.OfDays() || e.Over(time.Now()) != "" {
		t.Error("up did not make a certificate of days anew")
	}
	end()
	if _, err := o.Credentials(ctx); err != nil || o.entry(t).Over(time.Now()) != "" {
		t.Errorf("made anew: %v", err)
	}
	end()
	w.mustDown(o)
}

// TestCredentialsRefused: where there is no cluster, or no master to make a certificate,
// nothing is written.
func TestCredentialsRefused(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	o := w.operator()
	var unchanged *Unchanged
	if _, err := o.Credentials(ctx); !errors.As(err, &unchanged) {
		t.Errorf("without a cluster: %v", err)
	}
	w.mustUp(o)
	was := o.entry(t)
	if err := w.Client.Instances(zoneB).Stop(ctx, "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Credentials(ctx); !errors.As(err, &unchanged) || !strings.Contains(err.Error(), "no master that runs") {
		t.Errorf("without a master: %v", err)
	}
	if is := o.entry(t); string(is.Cert) != string(was.Cert) {
		t.Error("the entry was written")
	}
}
