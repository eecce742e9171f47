package cluster

import (
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mostFiles is how many files a package may have, tests aside: of more nobody keeps in
// mind what is where, and a package of more is two subjects.
const mostFiles = 15

// largerPackages are those that have more, and how many. A number may fall, and is lowered
// then; a package that is cut to the limit leaves the list, and none comes onto it.
var largerPackages = map[string]int{
	"cluster/settings":   16,
	"cmd/hakube":         36, // a file a command: they do not know each other
	"gce":                35, // a file a collection, all on one client
	"gce/local":          18,
	"gce/local/machine":  18,
	"gce/local/mirror":   17,
	"replicate/etcdtest": 25,
}

// TestPackageSizes holds every package to that.
func TestPackageSizes(t *testing.T) {
	files := map[string]int{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && len(name) > 2 && strings.HasPrefix(name, "."):
			return fs.SkipDir // git's own, and tools'
		case !d.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			dir, err := filepath.Rel("..", filepath.Dir(path))
			files[filepath.ToSlash(dir)]++
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files["cluster/plan"] == 0 {
		t.Fatalf("no files were found of package plan, of %d packages", len(files))
	}
	for _, dir := range slices.Sorted(maps.Keys(files)) {
		if most := max(mostFiles, largerPackages[dir]); files[dir] > most {
			t.Errorf("package %s has %d files, there may be %d", dir, files[dir], most)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(largerPackages)) {
		if files[dir] < largerPackages[dir] {
			t.Errorf("package %s has %d files: lower its line, %d, or take it off the list", dir, files[dir], largerPackages[dir])
		}
	}
	fmt.Printf("REPORT TestPackageSizes: %d of %d packages have more than %d files\n", len(largerPackages), len(files), mostFiles)
}
