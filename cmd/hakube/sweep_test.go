package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"hakube/gce/local"
)

// leave is "leave PATH FILE": an object that somebody else makes in the
// project, such as Kubernetes' cloud provider, from the JSON in the file.
func leave(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: leave PATH FILE")
	}
	s, err := local.Ask(context.Background(), ts.Getenv("HAKUBE_LOCAL_DIR"))
	ts.Check(err)
	client, err := local.Client(ts.Getenv("HAKUBE_LOCAL_DIR"))
	ts.Check(err)
	post := func(path, body string) (op struct {
		Status, SelfLink string
		Error            any
	}) {
		resp, err := client.Post(s.Endpoint+"/compute/v1/projects/"+local.Project+"/"+path, "application/json", strings.NewReader(body))
		ts.Check(err)
		defer resp.Body.Close()
		err = json.NewDecoder(resp.Body).Decode(&op)
		if err == nil && op.Error != nil {
			err = fmt.Errorf("POST %s: %v", path, op.Error)
		}
		ts.Check(err)
		return op
	}
	body, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	for op := post(args[0], string(body)); op.Status != "DONE"; {
		_, at, _ := strings.Cut(op.SelfLink, "/projects/"+local.Project+"/")
		op = post(at+"/wait", "{}")
	}
}
