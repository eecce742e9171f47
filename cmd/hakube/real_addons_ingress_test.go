//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const ingressManual = "../../cluster/addons/examples/ingress/README.md"

// ingress runs the lines of the manual of an Ingress controller, as they stand. From then on
// two hosts behind it are asked all the while, over new connections and over such that
// stay, and a pod of the controller and one of each host are deleted.
func (w *withAddons) ingress(t *testing.T) {
	w.typed(t, "Controller")
	w.typed(t, "Two hosts")
	ip := w.ingressAddress(t)
	for _, h := range ingressHosts {
		eventually(t, settled, h+" is served by new connections", func() error {
			for range 20 {
				if err := askHost(t.Context(), &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}, ip, h); err != nil {
					return err
				}
			}
			return nil
		})
	}
	w.asked = askHosts(ip)
	w.goes = w.oneOf(t, "ingress", "skipper")
	for _, h := range ingressHosts {
		w.oneOf(t, "default", h)
	}
}

// ingressKept: when all of them are gone, no request was lost. Other things were tried in
// the meantime, since a pod of the controller serves on for most of a minute.
func (w *withAddons) ingressKept(t *testing.T) {
	w.kubectl(t, "wait", "--namespace=ingress", "--for=delete", w.goes, "--timeout=300s", "--request-timeout=0")
	w.kubectl(t, "rollout", "status", "--namespace=ingress", "deployment/skipper", "--timeout=300s", "--request-timeout=0")
	time.Sleep(time.Second) // as long as anything could still be on its way to it
	asked, all := w.asked.end()
	lost := slices.DeleteFunc(slices.Clone(all), func(l missed) bool {
		late, is := errors.AsType[net.Error](l.err)
		return is && late.Timeout() && w.still.excuses(askLimit, l.at)
	})
	for _, l := range lost[:min(len(lost), 10)] {
		t.Error(l.err)
	}
	if asked < 200 {
		t.Errorf("only %d requests were made", asked)
	}
	report(t, "a pod of an Ingress controller and one of each of two hosts were deleted: of %d requests %d were lost, %d more while the host stood still", asked, len(lost), len(all)-len(lost))
	ip := w.ingressAddress(t)
	w.typed(t, "Away")
	w.gone(t, ip)
}

// typed runs the lines of a section of the manual.
func (w *withAddons) typed(t *testing.T, section string) {
	t.Helper()
	blocks := sectionBlocks(t, ingressManual, section)
	if len(blocks) != 1 {
		t.Fatalf("section %q has %d blocks", section, len(blocks))
	}
	env := append(slices.Clone(w.env), "PATH="+filepath.Dir(w.kubectlPath)+":/usr/sbin:/usr/bin:/sbin:/bin")
	runLines(t, env, append([]string{"cd ../.."}, blocks[0]...))
}

func (w *withAddons) ingressAddress(t *testing.T) string {
	t.Helper()
	return w.kubectl(t, "get", "service", "skipper", "--namespace=ingress", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")
}

// ingressHosts are those of the manual.
var ingressHosts = []string{"shop", "blog"}

// oneOf deletes a pod of a Deployment as kubectl does, and says which.
func (w *withAddons) oneOf(t *testing.T, namespace, app string) (pod string) {
	t.Helper()
	pod = strings.Fields(w.kubectl(t, "get", "pods", "--namespace="+namespace, "--selector=app="+app, "-o", "name"))[0]
	w.kubectl(t, "delete", "--namespace="+namespace, pod, "--wait=false")
	return pod
}

// askHost gets a host's page once.
func askHost(ctx context.Context, client *http.Client, ip, host string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ip+"/", nil)
	if err != nil {
		return err
	}
	req.Host = host + ".example.com"
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	page, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || string(page) != "this is the "+host+"\n") {
		err = fmt.Errorf("it answers %s %q", resp.Status, page)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", host, err)
	}
	return nil
}

// An asking is clients that ask hosts until it ends.
type asking struct {
	stop  context.CancelFunc
	done  sync.WaitGroup
	mu    sync.Mutex
	asked int
	lost  []missed
}

// A missed is a request that was not answered, when that was told, and why.
type missed struct {
	at  time.Time
	err error
}

// askLimit is how long a request may take.
const askLimit = 10 * time.Second

// askHosts has two clients for each host, one with a connection for each request.
func askHosts(ip string) *asking {
	ctx, cancel := context.WithCancel(context.Background()) // it goes on from one step of the test to another
	a := &asking{stop: cancel}
	for _, host := range ingressHosts {
		for _, fresh := range []bool{true, false} {
			client := &http.Client{Timeout: askLimit, Transport: &http.Transport{DisableKeepAlives: fresh}}
			a.done.Go(func() {
				defer client.CloseIdleConnections()
				for begin := time.Now(); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
					err := askHost(context.WithoutCancel(ctx), client, ip, host)
					a.mu.Lock()
					if a.asked++; err != nil {
						a.lost = append(a.lost, missed{time.Now(), fmt.Errorf("after %s, new connections %t: %w", time.Since(begin).Round(time.Millisecond), fresh, err)})
					}
					a.mu.Unlock()
				}
			})
		}
	}
	return a
}

// end stops the clients and says what became of their requests.
func (a *asking) end() (asked int, lost []missed) {
	a.stop()
	a.done.Wait()
	return a.asked, a.lost
}
