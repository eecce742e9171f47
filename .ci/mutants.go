//go:build ignore

// Mutants asks whether the tests near a line would see that it is wrong. Each line of
// mutants.txt is one wrong edit: a file, what stands there, what stands there instead,
// and the package whose short tests have to fail by it. The tree is not touched: the
// compiler is shown the edit in the file's place.
//
//	ONLY="part of a file's name" go run .ci/mutants.go
//
// It prints killed and alive, and ends with 1 if any is alive, or does not compile.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A mutant is one line of the list.
type mutant struct{ file, old, new, pkg, tests string }

func main() {
	log.SetFlags(0)
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	list, err := read(".ci/mutants.txt")
	if err != nil {
		log.Fatal(err)
	}
	count := map[string]int{}
	for _, m := range list {
		if !strings.Contains(m.file, os.Getenv("ONLY")) { // all, where it is not set
			continue
		}
		verdict, out := m.try(dir)
		count[verdict]++
		fmt.Printf("%-8s %s: %s -> %s\n", verdict, m.file, m.old, m.new)
		if verdict == "broken" {
			fmt.Println(out)
		}
	}
	fmt.Printf("REPORT mutants: %d killed, %d alive, %d broken\n", count["killed"], count["alive"], count["broken"])
	if count["alive"]+count["broken"] > 0 {
		os.RemoveAll(dir)
		os.Exit(1)
	}
}

// read takes the list apart: fields are between " | ", a line that begins with # is a remark.
func read(path string) (list []mutant, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(raw), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) != 4 && len(f) != 5 {
			return nil, fmt.Errorf("%s:%d has %d fields", path, i+1, len(f))
		}
		m := mutant{file: f[0], old: f[1], new: f[2], pkg: f[3], tests: "."}
		if len(f) == 5 {
			m.tests = f[4]
		}
		list = append(list, m)
	}
	return list, nil
}

// try runs the tests on the edit. What does not compile says nothing of the tests.
func (m mutant) try(dir string) (verdict, out string) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return "broken", err.Error()
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return "broken", fmt.Sprintf("what is to be edited is there %d times", n)
	}
	edited, overlay := filepath.Join(dir, "edited.go"), filepath.Join(dir, "overlay.json")
	whole, err := filepath.Abs(m.file)
	if err != nil {
		return "broken", err.Error()
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {whole: edited}})
	if err != nil {
		return "broken", err.Error()
	}
	if err := os.WriteFile(edited, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), 0o644); err != nil {
		return "broken", err.Error()
	}
	if err := os.WriteFile(overlay, replace, 0o644); err != nil {
		return "broken", err.Error()
	}
	if raw, err := exec.Command("go", "test", "-overlay", overlay, "-run", "^$", m.pkg).CombinedOutput(); err != nil {
		return "broken", string(raw)
	}
	raw, err := exec.Command("go", "test", "-overlay", overlay, "-count=1", "-short", "-timeout=5m", "-run", m.tests, m.pkg).CombinedOutput()
	if err == nil {
		return "alive", string(raw)
	}
	return "killed", ""
}
