package step

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/gce"
)

// TestMadeMeanwhile: an object that is there already when it is to be made is waited for,
// if it is ours; somebody else's of the name ends the step at once.
func TestMadeMeanwhile(t *testing.T) {
	looks := 0
	of := func(description string) Resource[*computepb.Disk] {
		return Resource[*computepb.Disk]{
			name: "disk d", of: inventory.Object{Kind: inventory.Disk, Name: "d", Zone: "z"}, poll: time.Millisecond,
			get: func(context.Context) (*computepb.Disk, error) {
				if looks++; looks < 3 {
					return nil, errors.New("not read")
				}
				return &computepb.Disk{Description: &description}, nil
			},
			mine: func(d string) bool { return d == "ours" },
			insert: func(context.Context) (*computepb.Disk, error) {
				return nil, &gce.Error{Class: gce.Already, Message: "already exists"}
			},
		}
	}
	if err := of("ours").Do(t.Context()); err != nil || looks != 3 {
		t.Errorf("ours: %v after %d looks", err, looks)
	}
	looks = 2
	if err := of("theirs").Do(t.Context()); err == nil || looks != 3 || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("theirs: %v after %d looks", err, looks)
	}
}

// TestForeseen: the look before the first change saves the one before the change, once;
// of what was made and taken away the operation tells; what failed is looked at.
func TestForeseen(t *testing.T) {
	gone := &gce.Error{Class: gce.Gone, Code: 404, Reason: "notFound"}
	looks, failed := 0, error(nil)
	there := (*computepb.Disk)(nil)
	r := Resource[*computepb.Disk]{
		name: "disk d", of: inventory.Object{Kind: inventory.Disk, Name: "d", Zone: "z"}, before: new(observed[*computepb.Disk]),
		get: func(context.Context) (*computepb.Disk, error) {
			if looks++; there == nil {
				return nil, gone
			}
			return there, nil
		},
		mine: func(d string) bool { return d == "ours" },
		insert: func(context.Context) (*computepb.Disk, error) {
			return &computepb.Disk{Description: new("ours")}, failed
		},
		remove: func(context.Context) error { return failed },
	}
	expect := func(what string, is plan.Presence, n int, state plan.State, err error) {
		t.Helper()
		if err != nil || state.Is != is || looks != n {
			t.Errorf("%s: %v, %v after %d looks", what, state.Is, err, looks)
		}
	}
	s, err := r.Foresee(t.Context(), true)
	expect("known to be absent", plan.Absent, 0, s, err)
	s, err = r.Observe(t.Context())
	expect("before it is made", plan.Absent, 0, s, err)
	s, err = r.Change(t.Context(), true)
	expect("made", plan.Present, 0, s, err)
	there = &computepb.Disk{Description: new("ours")}
	s, err = r.Observe(t.Context())
	expect("a second look is a look", plan.Present, 1, s, err)
	s, err = r.Change(t.Context(), false)
	expect("taken away", plan.Absent, 1, s, err)
	s, err = r.Foresee(t.Context(), false)
	expect("beforehand", plan.Present, 2, s, err)
	failed = errors.New("refused")
	if s, err = r.Change(t.Context(), false); err == nil || s.Is != plan.Unknown {
		t.Errorf("refused, and yet: %v, %v", s, err)
	}
}
