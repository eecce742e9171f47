package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// A defect is one of kube-up's. Its name is its number in the list of them (D1 to
// D42, with D32b and without D27 to D29, which nothing has) and what holds here
// instead.
type defect struct {
	name  string
	test  func(*testing.T)
	alone bool // it changes what all tests share
}

// cannotOccur are those hakube has nothing for, with the reason.
var cannotOccur = map[string]string{
	"D22": "the autoscaler knows only the first zone's group: hakube runs no autoscaler, and says so where its variable is set",
	"D24": "replication of kube-up's last version wants files that nobody writes: none of its scripts is used",
	"D40": "addon managers of several masters fight at an upgrade: kubeadm's clusters have none, and hakube upgrades nothing",
	"D41": "split brain when a ring goes from etcd v2 to v3, host names against addresses: rings are v3 from the start, peers are DNS names only",
	"D42": "its end-to-end tests of masters were flaky and mostly off: that is no behaviour of a program; these here need no cloud",
}

// defects are all that have a test in this package, by subject.
var defects = slices.Concat(ringDefects, addressDefects, ownerDefects, againDefects, failureDefects, settingsDefects, secretDefects)

// TestDefects holds hakube against the list of what must not happen. Each
// scenario is small, stands alone and can be run alone by its number.
func TestDefects(t *testing.T) {
	met := map[string]bool{}
	each := func(alone bool) {
		for i, d := range defects {
			number, _, _ := strings.Cut(d.name, "_")
			met[number] = true
			if d.alone != alone || testing.Short() && i%5 != 0 {
				continue // of each subject some: other tests are about the same steps
			}
			t.Run(d.name, func(t *testing.T) {
				if !alone {
					besideOthers(t)
				}
				d.test(t)
			})
		}
	}
	each(true)
	besideOthers(t) // or all other tests would wait for the last of these
	each(false)
	for _, number := range metByCommand(t) {
		met[number] = true
	}
	all := 0
	for _, number := range defectNumbers() {
		all++
		if met[number] == (cannotOccur[number] != "") {
			t.Errorf("%s has a test: %t, and why it cannot occur: %q", number, met[number], cannotOccur[number])
		}
	}
	if len(met)+len(cannotOccur) != all {
		t.Errorf("%d are met and %d cannot occur, of %d", len(met), len(cannotOccur), all)
	}
	fmt.Printf("REPORT TestDefects: defects: %d of %d met by a test, %d cannot occur\n", len(met), all, len(cannotOccur))
}

// defectNumbers is the list of defects by number.
func defectNumbers() (all []string) {
	for n := 1; n <= 42; n++ {
		if n >= 27 && n <= 29 {
			continue // nothing has these numbers
		}
		all = append(all, fmt.Sprintf("D%d", n))
		if n == 32 {
			all = append(all, "D32b")
		}
	}
	return all
}

// metByCommand are the numbers of those that are about the command line, whose
// tests are the program's.
func metByCommand(t *testing.T) (numbers []string) {
	t.Helper()
	text, err := os.ReadFile("../cmd/hakube/defects_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"(D[0-9]+b?)_[a-z0-9_]+"`).FindAllSubmatch(text, -1) {
		numbers = append(numbers, string(m[1]))
	}
	return numbers
}

// wantError says what is missing in the words of an error and its hint.
func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("it ended well; want an error that says %q", words)
		return
	}
	for _, word := range words {
		if text := err.Error() + "\n" + strings.Join(hintsOf(err), "\n"); !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
}

// hintsOf are the cures of an error and of all below it, as the program prints them.
func hintsOf(err error) (list []string) {
	if h, ok := err.(interface{ Hint() string }); ok {
		list = append(list, h.Hint())
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		if below := u.Unwrap(); below != nil {
			list = append(list, hintsOf(below)...)
		}
	case interface{ Unwrap() []error }:
		for _, below := range u.Unwrap() {
			list = append(list, hintsOf(below)...)
		}
	}
	return list
}

// unchanged runs f and says when it changed anything.
func (w *world) unchanged(f func()) {
	w.t.Helper()
	if _, changes := w.counts(f); changes != 0 {
		w.t.Errorf("%d changing calls", changes)
	}
}

// now are the masters as they see their rings at this moment.
func (w *world) now(o *operator) *rings.Survey {
	w.t.Helper()
	r := o.runFor(settings.Up, hold{})
	have, err := r.Look(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	r.Have = have
	r.SawMasters(r.Have)
	return r.Survey(context.Background(), have.Masters(r.Want.Names))
}

// members are the machines in a ring, learners marked, sorted.
func membersOf(s *rings.Survey, ring string) (names []string) {
	x, _, _ := s.Ring(ring)
	for _, m := range x.Members {
		name, _ := rings.MachineOf(m)
		if m.Learner {
			name += " (learner)"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// wantRings says when the rings are not made of these masters, or have no quorum.
func (w *world) wantRings(o *operator, want ...string) {
	w.t.Helper()
	s := w.now(o)
	slices.Sort(want)
	for _, ring := range rings.Names {
		if got := membersOf(s, ring); !slices.Equal(got, want) {
			w.t.Errorf("ring %s has %v, want %v", ring, got, want)
		}
	}
	if _, ok := s.Healthy(); !ok {
		w.t.Errorf("the rings have no quorum: %v", s.Why())
	}
}

// changes keeps book of the changing calls from now on, as "POST firewalls" or
// "POST kubernetes-master/deleteAccessConfig"; those of the lease are left out.
func (w *world) changes() (made func() []string) {
	var mu sync.Mutex
	var list []string
	w.setFault(func(r *http.Request) emulator.Fault {
		if emulator.IsChange(r) && !strings.HasSuffix(r.URL.Path, "/setLabels") {
			parts := strings.Split(strings.TrimSuffix(r.URL.Path, "/"), "/")
			if n := len(parts); n > 1 && !collection[parts[n-1]] {
				parts[n-1] = parts[n-2] + "/" + parts[n-1]
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, r.Method+" "+parts[len(parts)-1])
		}
		return emulator.Fault{}
	})
	return func() []string {
		w.setFault(nil)
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

var collection = map[string]bool{"instances": true, "disks": true, "forwardingRules": true, "backendServices": true, "healthChecks": true,
	"instanceGroups": true, "instanceGroupManagers": true, "instanceTemplates": true, "firewalls": true, "networks": true, "subnetworks": true, "addresses": true}
