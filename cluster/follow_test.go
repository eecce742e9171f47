package cluster

import (
	"context"
	"strconv"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// follow does what a command line says that status named.
func (w *world) follow(o *operator, command string) error {
	w.t.Helper()
	verb := settings.Up
	if name, ok := strings.CutPrefix(command, "hakube repair"); ok {
		_, err := o.Repair(context.Background(), strings.TrimSpace(name), w.events())
		return err
	}
	if of, ok := strings.CutPrefix(command, "hakube rotate "); ok {
		word, distrusts := strings.CutPrefix(of, "--distrust ")
		_, err := o.Rotate(context.Background(), inventory.RotationOf(word, distrusts), w.events())
		return err
	}
	before, after, rolls := strings.Cut(command, "hakube roll")
	upgrades := false
	if !rolls {
		before, after, upgrades = strings.Cut(command, "hakube upgrade")
	}
	if rolls || upgrades {
		n := o.again(func(s *settings.Settings) {
			for _, word := range strings.Fields(before) {
				name, value, _ := strings.Cut(word, "=")
				said, ok := s.Saying(name, value)
				if !ok {
					w.t.Fatalf("%q is no word of a command: %s", word, command)
				}
				*s = said
			}
		})
		words, all := strings.CutPrefix(strings.TrimSpace(after), "--all")
		by := n.Cluster
		if upgrades {
			by = n.Upgrade()
		}
		var err error
		switch what, zone, _ := strings.Cut(strings.TrimSpace(words), " "); what {
		case "masters":
			_, err = by.RollMasters(context.Background(), all, w.events())
		case "pool":
			_, err = by.RollPool(context.Background(), zone, all, w.events())
		case "":
			_, err = by.Roll(context.Background(), all, w.events())
		default:
			w.t.Fatalf("nothing to roll is called %q: %s", what, command)
		}
		return err
	}
	if words, ok := strings.CutPrefix(command, "hakube evacuate "); ok {
		fields := strings.Fields(words)
		to, _ := strings.CutPrefix(fields[0], "--to=")
		if len(fields) == 1 {
			to = ""
		}
		_, err := o.Evacuate(context.Background(), fields[len(fields)-1], to, w.events())
		return err
	}
	var pool settings.PoolName
	n := o.again(func(s *settings.Settings) {
		if command == "hakube down" {
			s.Zone = ""
		}
		for _, word := range strings.Fields(command) {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "KUBE_GCE_ZONE":
				s.Zone = settings.Zone(value)
			case "KUBE_REPLICATE_EXISTING_MASTER":
				s.ReplicateMaster = value == "true"
			case "KUBE_USE_EXISTING_MASTER":
				s.UseExistingMaster = value == "true"
			case "KUBE_DELETE_NODES":
				s.DeleteNodes = value != "false"
			case "KUBE_REPLICA_NAME":
				s.ReplicaName = settings.Name(value)
			case "NUM_NODES":
				n, err := strconv.Atoi(value)
				if err != nil {
					w.t.Fatal(err)
				}
				s.NumNodes = settings.Count(n)
			case "HAKUBE_POOL":
				pool = settings.PoolName(value)
			case "HAKUBE_ZONES":
				w.decode(&s.Zones, value)
			case "HAKUBE_MASTER_ZONES":
				w.decode(&s.MasterZones, value)
			case "HAKUBE_MASTER_COUNT":
				w.decode(&s.MasterCount, value)
			case "HAKUBE_NODE_COUNT":
				w.decode(&s.NodeCount, value)
				*s = s.Said("NUM_NODES", false)
			case "HAKUBE_PRUNE":
				w.decode(&s.Prune, value)
			case "HAKUBE_ALLOW_EVEN":
				w.decode(&s.AllowEven, value)
			case "KUBE_CREATE_NODES":
				w.decode(&s.CreateNodes, value)
			case "hakube", "up":
			case "down":
				verb = settings.Down
			default:
				w.t.Fatalf("%q is no word of a command: %s", word, command)
			}
		}
	})
	n = n.again(func(s *settings.Settings) {
		if s.Pool != pool { // cmd/hakube keeps away what was said of another pool
			for _, v := range settings.Variables() {
				if settings.OfPool(v.Name) {
					*s = s.Said(v.Name, false)
				}
			}
		}
		s.Pool = pool
	})
	var err error
	if verb == settings.Up {
		_, err = n.Up(context.Background(), w.events())
	} else {
		_, err = n.Down(context.Background(), w.events())
	}
	return err
}

// decode reads a setting as a variable says it.
func (w *world) decode(field interface{ Decode(string) error }, value string) {
	w.t.Helper()
	if err := field.Decode(value); err != nil {
		w.t.Fatal(err)
	}
}
