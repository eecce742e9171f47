// Kubernetes drives Compute Engine as Kubernetes' own parts do: Google's cloud provider,
// which a cloud controller manager is made of, and the driver of persistent disks, both
// unmodified, and the cluster autoscaler by its calls. It prints a line "ok …" for each
// thing that went as they want it and "FAILED …" for each other. The first argument is a
// directory to write into.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/klog/v2"
)

const (
	project = "acme-dev"
	zone    = "europe-west1-b"
	other   = "europe-west1-c"
)

// check does one thing, with a limit.
func check(what string, f func(ctx context.Context) error) {
	ctx, end := context.WithTimeout(context.Background(), time.Minute)
	defer end()
	if err := f(ctx); err != nil {
		fmt.Printf("FAILED %s: %v\n", what, err)
		return
	}
	fmt.Println("ok", what)
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Println("FAILED beginning:", err)
		os.Exit(0)
	}
	return v
}

func main() {
	logs := flag.NewFlagSet("klog", flag.ExitOnError)
	klog.InitFlags(logs)
	_ = logs.Set("logtostderr", "true")
	klog.SetOutput(os.Stderr)
	dir := os.Args[1]
	if err := services(dir); err != nil {
		fmt.Println("FAILED services:", err)
	}
	if err := volumes(dir); err != nil {
		fmt.Println("FAILED volumes:", err)
	}
	if err := autoscaler(); err != nil {
		fmt.Println("FAILED autoscaler:", err)
	}
}
