package mirror

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// official is the component's official files, downloaded.
func (c component) official(t http.RoundTripper) artefact {
	return artefact{name: c.name + "-official", key: key("download 1", fmt.Sprint(c.assets)), make: func(ctx context.Context, dir string) error {
		return c.download(ctx, t, filepath.Join(dir, "tree"))
	}}
}

// reachable tells whether the official places answer, within seconds.
func reachable(ctx context.Context, t http.RoundTripper) bool {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, k8s+"kubelet.sha256", nil)
	if err != nil {
		return false
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // a HEAD has none
	return resp.StatusCode == http.StatusOK
}

// errRefused is of content that is not what was published. Nothing is tried
// instead of it: it may be an attack.
var errRefused = errors.New("refused")

// download fetches the component's official files into tree and refuses what
// differs from its published checksum.
func (c component) download(ctx context.Context, t http.RoundTripper, tree string) error {
	for _, a := range c.assets {
		file, sums := place(tree, a.url), place(tree, a.sums)
		for url, to := range map[string]string{a.sums: sums, a.url: file} {
			if err := fetch(ctx, t, url, to); err != nil {
				return fmt.Errorf("fetching %s: %w", url, err)
			}
		}
		want, err := publishedSum(sums, filepath.Base(file))
		if err != nil {
			return err
		}
		got, err := sha256File(file)
		if err != nil {
			return fmt.Errorf("checking %s: %w", a.url, err)
		}
		if got != want {
			return fmt.Errorf("checking %s: %w: its SHA-256 is %s, published is %s", a.url, errRefused, got, want)
		}
	}
	return nil
}

// tries is how often a download is begun before it is given up.
const tries = 3

// fetch writes what is at url to file.
func fetch(ctx context.Context, t http.RoundTripper, url, file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	var err error
	for range tries {
		var again bool
		if again, err = fetchOnce(ctx, t, url, file); err == nil || !again || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// stall is how long a download may bring nothing.
const stall = time.Minute

// fetchOnce tells besides whether it may go better another time.
func fetchOnce(ctx context.Context, t http.RoundTripper, url, file string) (again bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(stall, cancel)
	defer func() {
		if !idle.Stop() && err != nil {
			err = fmt.Errorf("nothing came for %s: %w", stall, err)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return true, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode >= 500, errors.New(resp.Status)
	}
	return true, writeFile(file, readerFunc(func(p []byte) (int, error) {
		idle.Reset(stall)
		return resp.Body.Read(p)
	}), 0o644)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// publishedSum is the SHA-256 of name in a file of checksums: a bare sum, or
// lines of "sum  name".
func publishedSum(sums, name string) (string, error) {
	f, err := os.Open(sums)
	if err != nil {
		return "", fmt.Errorf("reading checksums: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	s := bufio.NewScanner(f)
	for s.Scan() {
		w := strings.Fields(s.Text())
		if len(w) == 1 || len(w) == 2 && strings.TrimPrefix(w[1], "*") == name {
			return strings.ToLower(w[0]), nil
		}
	}
	if err := s.Err(); err != nil {
		return "", fmt.Errorf("reading checksums: %w", err)
	}
	return "", fmt.Errorf("reading checksums: none of %s in %s", name, filepath.Base(sums))
}
