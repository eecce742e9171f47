package gcetest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"hakube/gce/emulator"
	"hakube/gce/emulator/recorded"
)

var recordings = flag.String("recordings", os.Getenv("HAKUBE_RECORDINGS"), "a file (or a directory of *.jsonl) of recorded exchanges with Compute Engine, which TestReplay makes again")

// replayed is an embedded GCE as the replay asks it.
func replayed(t *testing.T) recorded.Do {
	t.Helper()
	var requests sync.Map // by number
	s, err := emulator.New(emulator.Options{
		Path: filepath.Join(t.TempDir(), "gce.db"), NoSync: true,
		Fault: func(r *http.Request) (f emulator.Fault) {
			n, _ := requests.Load(r.Header.Get("X-Request"))
			if q, ok := n.(recorded.Request); ok {
				if f.Stuck = q.Hold; q.Fails != nil {
					f.Operation = &emulator.OperationFault{Code: q.Fails[0], Message: q.Fails[1], Status: http.StatusBadRequest}
				}
			}
			return f
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	n := 0
	return func(q recorded.Request) (int, map[string]any) {
		var b bytes.Buffer
		if q.Body != nil {
			if err := json.NewEncoder(&b).Encode(q.Body); err != nil {
				t.Fatal(err)
			}
		}
		r := httptest.NewRequest(q.Verb, "http://localhost/compute/v1/"+q.Path+"?"+q.Query.Encode(), &b)
		n++
		r.Header.Set("X-Request", strconv.Itoa(n))
		requests.Store(strconv.Itoa(n), q)
		defer requests.Delete(strconv.Itoa(n))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil && w.Body.Len() > 0 {
			t.Fatalf("%s %s: %v in %s", q.Verb, q.Path, err, w.Body)
		}
		return w.Code, answer
	}
}

// TestReplay makes the requests of a file of recordings, or of all *.jsonl of a directory, again and compares what is
// answered with what Google answered.
func TestReplay(t *testing.T) {
	if *recordings == "" {
		t.Skip("no recordings: name a file by -recordings or HAKUBE_RECORDINGS; what is known from them is held to by TestRecorded")
	}
	files := []string{*recordings}
	if i, err := os.Stat(*recordings); err == nil && i.IsDir() {
		if files, err = filepath.Glob(filepath.Join(*recordings, "*.jsonl")); err != nil || len(files) == 0 {
			t.Fatalf("%s has no *.jsonl: %v", *recordings, err)
		}
	}
	var all []recorded.Exchange
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		some, err := recorded.Read(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, some...)
	}
	r := recorded.Replay(all, replayed(t))
	fmt.Printf("REPORT TestReplay: %s", r)
	for _, d := range r.Unlisted {
		t.Error(d)
	}
	if !*update {
		return
	}
	for i, k := range recorded.Known {
		if r.Used[i] == 0 {
			t.Errorf("nothing differs any more as row %d of recorded.Known says, %s %s %s: delete it", i, k.Method, k.Field, k.What)
		}
	}
	if err := os.WriteFile("../emulator/recorded/facts.json", recorded.Write(recorded.Reduce(all)), 0o644); err != nil {
		t.Fatal(err)
	}
}

var update = flag.Bool("update", false, "make the table of facts from the recordings that TestReplay is given")

// TestUnrecorded names the methods that hakube calls and nobody recorded: of these the
// embedded GCE is as the documents say, and that is all.
func TestUnrecorded(t *testing.T) {
	var without []string
	used := methodsOf(t, "..")
	for _, m := range used {
		if recorded.Facts()[m] == nil {
			without = append(without, m)
		}
	}
	if len(without) == len(used) {
		t.Error("there are no recorded facts at all")
	}
	fmt.Printf("REPORT TestUnrecorded: %d of the %d methods hakube calls were recorded; nobody recorded %s\n", len(used)-len(without), len(used), strings.Join(without, " "))
}
