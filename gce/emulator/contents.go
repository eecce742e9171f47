package emulator

import (
	"maps"

	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/storage"
	"hakube/gce/emulator/internal/store"
)

// ObjectsIn counts what is in the file of an embedded GCE that does not run, by
// project and collection. It changes nothing.
func ObjectsIn(path string) (map[string]map[string]int, error) {
	st, err := store.Read(path)
	if err != nil {
		return nil, err
	}
	return count(st), nil
}

// count counts what users made, by project and collection. What comes and goes
// with something else is not counted: routes of a network, the instance group of
// a managed one, project metadata.
func count(st *store.Store) map[string]map[string]int {
	n := map[string]map[string]int{}
	st.View(func(t *store.Tx) {
		for r := range t.Stored("projects/") {
			kind := r.Kind()
			if kind == "operations" || kind == "routes" && t.Get(r.Note("routeOf")) != nil || kind == "instanceGroups" && members.Managed(t, r) || networks.CameWithProject(t, r) {
				continue
			}
			if n[r.Project()] == nil {
				n[r.Project()] = map[string]int{}
			}
			n[r.Project()][kind]++
		}
		for project, stored := range storage.Contents(t) {
			if n[project] == nil {
				n[project] = map[string]int{}
			}
			maps.Copy(n[project], stored)
		}
	})
	return n
}
