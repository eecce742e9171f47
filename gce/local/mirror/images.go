package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// refName is the annotation that names an image in a layout (OCI image layout).
const refName = "org.opencontainers.image.ref.name"

// pulled is Kubernetes' images, or addons', as their registry has them.
func pulled(t http.RoundTripper, name string, list []recipe) artefact {
	var refs []string
	for _, r := range list {
		refs = append(refs, r.official())
		if len(r.over) > 0 {
			refs = append(refs, fmt.Sprint(r.over))
		}
	}
	return artefact{name: name, key: key("pull 1", arch, fmt.Sprint(refs)), make: func(ctx context.Context, dir string) error {
		work := filepath.Join(dir, "work")
		if err := os.MkdirAll(work, 0o755); err != nil {
			return err
		}
		return errors.Join(writeImages(ctx, dir, list, func(ctx context.Context, r recipe) (v1.Image, error) {
			img, err := pull(ctx, t, r)
			if err != nil {
				return nil, err
			}
			return lay(img, work, r.over)
		}), os.RemoveAll(work))
	}}
}

// pull fetches a recipe's official image. The tag is the trust, as it is for
// kubeadm; the library checks layers against the manifest's digests.
func pull(ctx context.Context, t http.RoundTripper, r recipe) (v1.Image, error) {
	ref, err := name.ParseReference(r.official())
	if err != nil {
		return nil, err
	}
	return remote.Image(ref, remote.WithContext(ctx), remote.WithTransport(t), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
}

// baked is images made of programs and packages. inputs are the keys of what
// the programs are built from.
func baked(name string, list []recipe, inputs []string, program func(ctx context.Context, component, program string) (string, error)) artefact {
	in := append([]string{"images 2", arch, fmt.Sprintf("%+v %v %v", list, common, dropped)}, inputs...)
	return artefact{name: name, key: key(in...), make: func(ctx context.Context, dir string) error {
		o := oven{work: filepath.Join(dir, "work"), program: func(ctx context.Context, component, p string) (string, error) {
			if p != "pause" {
				return program(ctx, component, p)
			}
			pause := filepath.Join(dir, "work", "pause")
			return pause, buildPause(ctx, filepath.Join(dir, "work"), pause)
		}, kubernetes: func(ctx context.Context) (string, error) { return kubernetesSource(ctx, filepath.Join(dir, "work")) }}
		return errors.Join(writeImages(ctx, dir, list, o.make), os.RemoveAll(o.work))
	}}
}

// writeImages writes the recipes' images to dir, an OCI image layout.
func writeImages(ctx context.Context, dir string, list []recipe, get func(context.Context, recipe) (v1.Image, error)) error {
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return fmt.Errorf("making an image layout: %w", err)
	}
	for _, r := range list {
		img, err := get(ctx, r)
		if err == nil {
			err = l.AppendImage(img, layout.WithAnnotations(map[string]string{refName: r.ref}))
		}
		if err != nil {
			return fmt.Errorf("making image %s: %w", r.ref, err)
		}
	}
	return nil
}
