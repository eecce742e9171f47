package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// strangerEnv tells this program that it is run as another user.
const strangerEnv = "HAKUBE_TEST_STRANGER"

// TestSecondUser is another user of this machine at each door, and at the files.
func TestSecondUser(t *testing.T) {
	if at := os.Getenv(strangerEnv); at != "" {
		beStranger(at, os.Getenv("HAKUBE_LOCAL_DIR"))
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	// In a directory that everybody can enter, so that only modes of ours keep anyone out.
	open, err := os.MkdirTemp("", "hakube-doors-")
	if err == nil {
		err = os.Chmod(open, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(open) })
	dir := filepath.Join(open, "gce")
	at := serveIn(t, dir, nobodyThere)
	program := filepath.Join(open, "stranger")
	text, err := os.ReadFile(must(os.Executable()))
	if err == nil {
		err = os.WriteFile(program, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "-test.run=^TestSecondUser$", "-test.v")
	c.Dir, c.Env = "/", []string{strangerEnv + "=" + at, "HAKUBE_LOCAL_DIR=" + dir, "PATH=/usr/bin:/bin"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := func(what string) bool { return bytes.Contains(out, []byte("\n"+what+"\n")) }
	for _, d := range doors {
		if !said("stranger: " + d.name + ": 401") {
			t.Errorf("%s let another user in", d.name)
		}
	}
	for _, what := range []string{"the token", "the directory", "Ask"} {
		if !said("stranger: " + what + ": kept out") {
			t.Errorf("%s did not keep another user out", what)
		}
	}
	fmt.Printf("REPORT %s: %d ways in are closed to another user of the host\n", t.Name(), len(doors)+3)
	if t.Failed() {
		t.Logf("%s", out)
	}
	if s, err := Ask(t.Context(), dir); err != nil || len(s.Objects) > 0 || s.Calls.Change > 0 {
		t.Errorf("the stranger changed something: %+v %v", s, err)
	}
}

// beStranger runs as somebody else.
func beStranger(at, dir string) {
	fmt.Println("stranger: has the number", os.Geteuid())
	for _, d := range doors {
		head, _, err := d.knock(at, "")
		if err != nil {
			head = "no " + err.Error()
		}
		fmt.Printf("stranger: %s: %s\n", d.name, code(head))
	}
	_, file := os.ReadFile(TokenFile(dir))
	_, names := os.ReadDir(dir)
	_, ask := Ask(context.Background(), dir)
	for what, err := range map[string]error{"the token": file, "the directory": names, "Ask": ask} {
		if err != nil {
			err = errors.New("kept out")
		}
		fmt.Printf("stranger: %s: %v\n", what, err)
	}
}
