package emulator

// ObjectsIn counts what is in the file of an embedded GCE that does not run, by
// project and collection. It changes nothing.
func ObjectsIn(path string) (map[string]map[string]int, error) {
	st, err := readStore(path)
	if err != nil {
		return nil, err
	}
	return count(st), nil
}

// count counts what users made, by project and collection. What comes and goes
// with something else is not counted: routes of a network, the instance group of
// a managed one, project metadata.
func count(st *store) map[string]map[string]int {
	n := map[string]map[string]int{}
	st.view(func(t *tx) {
		for r := range t.stored("projects/") {
			kind := r.kind()
			if kind == "operations" || kind == "routes" && t.get(r.note("routeOf")) != nil || kind == "instanceGroups" && managed(t, r) {
				continue
			}
			if n[r.project()] == nil {
				n[r.project()] = map[string]int{}
			}
			n[r.project()][kind]++
		}
	})
	return n
}
