package backup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/scripts"
)

// listedAt is a verified backup of a cluster, so old.
func listedAt(now time.Time, age time.Duration) Listed {
	made, seconds := now.Add(-age), int64(age.Seconds())
	return Listed{Where: fmt.Sprint(made.Unix()), Cluster: "p/k", MadeAt: &made, Age: &seconds, Verified: true}
}

// TestSurplus: of a backup every fifteen minutes for a hundred days those of the last hour
// stay, one an hour for a week and one a day for ninety days; what stays is what stays next
// time, and a day later no more is gone than a day makes.
func TestSurplus(t *testing.T) {
	now := time.Date(2026, 11, 30, 6, 50, 0, 0, time.UTC)
	var list []Listed
	for age := time.Duration(0); age < 100*24*time.Hour; age += 15 * time.Minute {
		list = append(list, listedAt(now, age))
	}
	keep := func(list []Listed) []Listed {
		surplus := Surplus(list, "p/k")
		return slices.DeleteFunc(slices.Clone(list), func(x Listed) bool {
			return slices.ContainsFunc(surplus, func(y Listed) bool { return y.Where == x.Where })
		})
	}
	kept := keep(list)
	hours, days := map[string]int{}, map[string]int{}
	for _, x := range kept {
		switch age := now.Sub(*x.MadeAt); {
		case age >= keepDaily:
			t.Errorf("%s old and kept", age)
		case age >= keepHourly:
			days[x.MadeAt.Format(time.DateOnly)]++
		case age >= keepAll:
			hours[x.MadeAt.Format("2006-01-02T15")]++
		}
	}
	if n := len(kept) - len(hours) - len(days); n != 4 || len(hours) < 167 || len(hours) > 168 || len(days) < 83 || len(days) > 84 {
		t.Errorf("kept are %d, %d hours and %d days", n, len(hours), len(days))
	}
	if again := keep(kept); len(again) != len(kept) {
		t.Errorf("of %d another look keeps %d", len(kept), len(again))
	}
	strange := []Listed{listedAt(now, 200*24*time.Hour), listedAt(now, 300*24*time.Hour), listedAt(now, 400*24*time.Hour)}
	strange[1].Cluster, strange[2].Verified = "p/other", false
	if surplus := Surplus(strange, "p/k"); len(surplus) > 0 {
		t.Errorf("the newest, another's and a damaged one: %+v", surplus)
	}
}

// TestSurplusByNames: masters, who go by names, take away the same from a place.
func TestSurplusByNames(t *testing.T) {
	now := time.Date(2026, 11, 30, 6, 50, 0, 0, time.UTC)
	var list []Listed
	var names strings.Builder
	for age := time.Duration(0); age < 100*24*time.Hour; age += 17 * time.Minute {
		x := listedAt(now, age)
		x.Where = "of/" + x.MadeAt.Format(stampForm) + ".p.k" + suffix
		list = append(list, x)
		names.WriteString(x.Where + "\n")
	}
	names.WriteString("of/20200101T000000Z.p.other" + suffix + "\nof/notes\nof/20200101T0000.p.k" + suffix + "\n")
	var want []string
	for _, x := range Surplus(list, "p/k") {
		want = append(want, x.Where)
	}
	_, text, _ := strings.Cut(scripts.Startup(), "\nsurplus() {")
	text, _, _ = strings.Cut(text, "\n}\n")
	said := exec.Command("bash", "-c", "prefix=of/ cluster=p.k\nsurplus() {"+text+"\n}\nsurplus \"$@\"", "-",
		now.Add(-keepAll).Format(stampForm), now.Add(-keepHourly).Format(stampForm), now.Add(-keepDaily).Format(stampForm))
	said.Stdin = strings.NewReader(names.String())
	out, err := said.Output()
	if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, want) || len(want) < 5000 {
		t.Errorf("%v: by names %d go, by records %d", err, len(got), len(want))
	}
}

// TestRemove: files go as far as they are there.
func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone, err := Remove(t.Context(), nil, []Listed{{Where: path}, {Where: path + "-none"}, {Where: filepath.Dir(path) + "/b/c"}})
	if _, there := os.Stat(path); err == nil && len(gone) != 3 || !os.IsNotExist(there) {
		t.Errorf("gone are %v, %v", gone, err)
	}
}
