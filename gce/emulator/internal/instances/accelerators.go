package instances

import (
	"fmt"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// newAccelerators checks the accelerators of an instance whose machine type and scheduling
// are complete. There is no device behind them: what a machine here has is the field, and
// its part of the quota.
func newAccelerators(r doc.Ref, o doc.Obj) error {
	some := slices.DeleteFunc(doc.Objects(o, "guestAccelerators"), func(a doc.Obj) bool { return doc.Num(a, "acceleratorCount") == 0 })
	if len(some) == 0 {
		delete(o, "guestAccelerators")
		return nil
	}
	list := []any{}
	for i, a := range some {
		link := doc.ParseRef(doc.Str(a, "acceleratorType"), r.Project(), r.Scope(), "acceleratorTypes")
		if link == "" {
			return problem.Missing(fmt.Sprintf("resource.guestAccelerators[%d].acceleratorType", i))
		}
		kind, is := catalog.AcceleratorIn(r.Place(), link.Name())
		if !is || link.Scope() != r.Scope() {
			return problem.NotFound(link)
		}
		if err := fits(kind, int(doc.Num(a, "acceleratorCount")), doc.Ref(doc.Str(o, "machineType")).Name(), fmt.Sprintf("resource.guestAccelerators[%d].acceleratorCount", i)); err != nil {
			return err
		}
		list = append(list, doc.Obj{"acceleratorType": link.Link(), "acceleratorCount": doc.Num(a, "acceleratorCount")})
	}
	if doc.Str(doc.Sub(o, "scheduling"), "onHostMaintenance") != "TERMINATE" {
		return problem.Refuse("Instances with guest accelerators do not support live migration.")
	}
	o["guestAccelerators"] = list
	return nil
}

// fits is what Google says of accelerators that a machine type cannot have.
func fits(kind catalog.Accelerator, count int, machineType, field string) error {
	size, _ := catalog.MachineSize(machineType)
	if !kind.On(size) {
		return problem.Refuse("[%s, %s] features are not compatible for creating instance.", machineType, kind.Name)
	}
	if counts := kind.Counts(); !slices.Contains(counts, count) {
		return problem.Invalid(field, count, "Number of accelerator cards attached to an instance must be one of ["+strings.Join(texts(counts), ", ")+"].")
	}
	if most := kind.CPUs[count]; size.Cpus > most {
		return problem.Invalid(field, count, fmt.Sprintf("At most %d vCPUs can be used along with %d accelerator cards in an instance.", most, count))
	}
	return nil
}

func texts(numbers []int) (list []string) {
	for _, n := range numbers {
		list = append(list, fmt.Sprint(n))
	}
	return list
}

// stillFits holds another machine type of an instance to the accelerators it has.
func stillFits(o doc.Obj, machineType doc.Ref) error {
	for i, a := range doc.Objects(o, "guestAccelerators") {
		link := doc.RefOf(doc.Str(a, "acceleratorType"))
		kind, _ := catalog.AcceleratorIn(link.Place(), link.Name())
		if err := fits(kind, int(doc.Num(a, "acceleratorCount")), machineType.Name(), fmt.Sprintf("resource.guestAccelerators[%d].acceleratorCount", i)); err != nil {
			return err
		}
	}
	return nil
}
