package settings

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
)

// Taking is the same spec with a variable, if nobody set it, of the value that was read
// from what is there. Of several places the first that is read counts. Even has it taken
// against what is set too: masters that are repaired come back as they were.
func (s Spec) Taking(variable, text string, even bool) Spec {
	if text == "" || s.taken[variable] || s.Settings.Says(variable) && !even {
		return s
	}
	i := slices.IndexFunc(Fields(), func(f reflect.StructField) bool { return f.Tag.Get("envconfig") == variable })
	f := Fields()[i]
	one := reflect.New(f.Type)
	d, ok := one.Interface().(interface{ Decode(string) error })
	if !ok || d.Decode(text) != nil { // made by hand, as no setting could have it
		return s
	}
	reflect.ValueOf(&s.Settings).Elem().FieldByIndex(f.Index).Set(one.Elem())
	s.taken = maps.Clone(s.taken)
	if s.taken == nil {
		s.taken = map[string]bool{}
	}
	s.taken[variable] = true
	return s
}

// Instead is Taking, of a value that is newer than the one which was read before.
func (s Spec) Instead(variable, text string) Spec {
	if text == "" {
		return s
	}
	s.taken = maps.Clone(s.taken)
	delete(s.taken, variable)
	return s.Taking(variable, text, true)
}

// Saying is the same settings with a variable said, as its text has it; ok is false for a
// text that is none of its values.
func (s Settings) Saying(variable, text string) (said Settings, ok bool) {
	i := slices.IndexFunc(Fields(), func(f reflect.StructField) bool { return f.Tag.Get("envconfig") == variable })
	if i < 0 {
		return s, false
	}
	one := reflect.New(Fields()[i].Type)
	if d, is := one.Interface().(interface{ Decode(string) error }); !is || d.Decode(text) != nil {
		return s, false
	}
	reflect.ValueOf(&s).Elem().FieldByIndex(Fields()[i].Index).Set(one.Elem())
	return s.Said(variable, true), true
}

// Differs are the variables that these settings speak of, for which the spec has another
// value.
func (s *Spec) Differs(said *Settings) (list []Difference) {
	for _, f := range Fields() {
		name := f.Tag.Get("envconfig")
		if was, want := s.Settings.TextOf(f), said.TextOf(f); said.Says(name) && was != want {
			list = append(list, Difference{Variable: name, Was: was, Want: want})
		}
	}
	return list
}

// Derived is the spec with every default and every name that follows from its settings
// built again, for the same first master.
func (s Spec) Derived(by Operator) Spec {
	d := SpecOf(s.Settings, by)
	d.Home, d.taken = cmp.Or(s.Home, d.Home), s.taken
	d.template, d.changes = s.template, s.changes
	return d
}

// Upgraded is the same of another version of Kubernetes, as if somebody had named that.
func (s Spec) Upgraded(version string) Spec {
	s.Settings, _ = s.Settings.Saying(OfVersion, version)
	return s
}

// At is the same for a cluster whose first master is in the zone, with or without others.
func (s Spec) At(home string, multizone bool) Spec {
	s.Home, s.Mark.Multizone = home, multizone
	return s
}

// MadeFrom is the same with nodes that are made from the template there is.
func (s Spec) MadeFrom(template string) Spec {
	s.template = template
	return s
}

// Changing is the same with nodes that are to be made from another template.
func (s Spec) Changing(template string) Spec {
	s.template, s.changes = template, true
	return s
}

// OfMasterType is the same with masters of that machine type.
func (s Spec) OfMasterType(machineType string) Spec {
	s.MasterType = machineType
	return s
}

// OfRootSize is the same with masters' boot disks of that size.
func (s Spec) OfRootSize(gigabytes int64) Spec {
	s.Settings.MasterRootSize = Size(gigabytes)
	return s
}

// OfDataDisk is the same with masters' data disks of that size and type.
func (s Spec) OfDataDisk(gigabytes int64, diskType string) Spec {
	s.Settings.MasterDiskSize, s.Settings.MasterDiskType = Size(gigabytes), Name(diskType)
	return s
}

// Removing is the same for the command that takes away what another one was to add,
// which reads for itself what is there.
func (s Spec) Removing() Spec {
	s.taken = nil
	s.Settings.ReplicateMaster, s.Settings.DeleteNodes = false, false
	return s
}
