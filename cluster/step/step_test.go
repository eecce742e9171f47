package step

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
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
			mine:   func(d string) bool { return d == "ours" },
			insert: func(context.Context) error { return &gce.Error{Class: gce.Already, Message: "already exists"} },
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
