package mirror

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	// go-containerregistry: image and registry formats, Google's own.
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"hakube/gce/local/image"
)

// An oven makes images. work is for what they are made of and may be removed
// once they are written.
type oven struct {
	work string
	// program finds a component's program.
	program func(ctx context.Context, component, program string) (string, error)
	// kubernetes is the directory of Kubernetes' module.
	kubernetes func(ctx context.Context) (string, error)
}

// make makes an image of one layer.
func (o oven) make(ctx context.Context, r recipe) (v1.Image, error) {
	dir := filepath.Join(o.work, strings.NewReplacer("/", "_", ":", "_").Replace(r.ref))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	debian := ""
	if len(r.packages) > 0 {
		// Several images are of the same packages.
		debian = filepath.Join(o.work, "debian-"+key(r.packages...)+".tar")
		if _, err := os.Stat(debian); err != nil {
			if err := image.Unpack(ctx, debian, r.packages...); err != nil {
				return nil, err
			}
		}
	}
	files, err := o.files(ctx, r, dir, debian)
	if err != nil {
		return nil, err
	}
	program := ""
	if r.program != "" {
		if program, err = o.program(ctx, r.component, r.program); err != nil {
			return nil, err
		}
	}
	layer := filepath.Join(dir, "layer.tar")
	if err := writeLayer(layer, debian, files, r.path, program); err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	return assemble(r, layer)
}

// files are the text files, links and directories of the image.
func (o oven) files(ctx context.Context, r recipe, dir, debian string) (map[string]string, error) {
	files := map[string]string{}
	if !r.bare {
		maps.Copy(files, common)
	}
	maps.Copy(files, r.files)
	maps.Copy(files, r.over)
	if err := o.ofKubernetes(ctx, files); err != nil {
		return nil, err
	}
	if r.certs {
		bundle, err := o.certificates(ctx)
		if err != nil {
			return nil, err
		}
		files["etc/ssl/certs/ca-certificates.crt"] = bundle
	}
	if r.applets {
		if err := applets(ctx, dir, debian, files); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// ofKubernetes puts what is of Kubernetes' module in its place.
func (o oven) ofKubernetes(ctx context.Context, files map[string]string) error {
	for name, text := range files {
		path, ok := strings.CutPrefix(text, ofKubernetes)
		if !ok {
			continue
		}
		module, err := o.kubernetes(ctx)
		if err != nil {
			return err
		}
		is, err := os.ReadFile(filepath.Join(module, filepath.FromSlash(path)))
		if err != nil {
			return fmt.Errorf("reading what Kubernetes' module has for /%s: %w", name, err)
		}
		files[name] = string(is)
	}
	return nil
}

// applets adds links for what busybox can do and no other package of the image does, but
// for the shell, which is busybox's.
func applets(ctx context.Context, dir, debian string, files map[string]string) error {
	busybox := filepath.Join(dir, "busybox")
	if err := extract(debian, "bin/busybox", busybox); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, busybox, "--list").Output()
	if err != nil {
		return fmt.Errorf("asking busybox what it can do: %w", err)
	}
	there := map[string]bool{"busybox": true}
	err = eachFile(debian, func(h *tar.Header, _ io.Reader) error {
		if name := cleanName(h.Name); wanted(name) && slices.Contains([]string{"bin", "sbin", "usr/bin", "usr/sbin"}, path.Dir(name)) {
			there[path.Base(name)] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	for applet := range strings.FieldsSeq(string(out)) {
		if _, ours := files["bin/"+applet]; !ours && (!there[applet] || applet == "sh") {
			files["bin/"+applet] = "→ busybox"
		}
	}
	return nil
}

// certificates are the same for all images.
func (o oven) certificates(ctx context.Context) (string, error) {
	debian := filepath.Join(o.work, "ca-certificates.tar")
	if _, err := os.Stat(debian); err != nil {
		if err := image.Unpack(ctx, debian, "ca-certificates"); err != nil {
			return "", err
		}
	}
	return certificates(debian)
}

// assemble makes an image of the recipe's settings and a layer.
func assemble(r recipe, layer string) (v1.Image, error) {
	config, err := empty.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	// Without a platform containerd takes the image for another machine's and drops it.
	config.OS, config.Architecture = "linux", arch
	config.Config.Entrypoint, config.Config.Cmd, config.Config.User = r.entrypoint, r.cmd, r.user
	config.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	img, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromFile(layer, tarball.WithCompressionLevel(packed))
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, l)
}

// lay lays the text files over an image.
func lay(img v1.Image, work string, files map[string]string) (v1.Image, error) {
	if len(files) == 0 {
		return img, nil
	}
	layer := filepath.Join(work, "over.tar")
	if err := writeLayer(layer, "", files, "", ""); err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	l, err := tarball.LayerFromFile(layer, tarball.WithCompressionLevel(packed))
	if err != nil {
		return nil, err
	}
	return mutate.AppendLayers(img, l)
}

// writeLayer writes the layer: what is wanted of the Debian packages, if any,
// the files in their place or besides, and the program.
func writeLayer(layer, debian string, files map[string]string, programPath, program string) (err error) {
	f, err := os.Create(layer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	if debian != "" {
		err := eachFile(debian, func(h *tar.Header, body io.Reader) error {
			name := cleanName(h.Name)
			if _, ours := files[name]; ours || !wanted(name) {
				return nil
			}
			if h.ModTime = epoch; h.Typeflag == tar.TypeDir {
				name += "/"
			}
			h.Name = name
			if err := w.WriteHeader(h); err != nil {
				return err
			}
			_, err := io.Copy(w, body)
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "tmp/", Mode: 0o1777, Typeflag: tar.TypeDir, ModTime: epoch}); err != nil {
		return err
	}
	mode := int64(0o755)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == programPath && files[name] == setuid {
			mode = 0o4755
			continue
		}
		if err := addText(w, name, files[name]); err != nil {
			return err
		}
	}
	if program != "" {
		if err := addFile(w, programPath, program, mode); err != nil {
			return err
		}
	}
	return w.Close()
}

// addText adds a text file, or what a recipe's other values stand for.
func addText(w *tar.Writer, name, text string) error {
	h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg, ModTime: epoch}
	if strings.HasPrefix(text, "#!") {
		h.Mode = 0o755 // a script is run
	}
	if target, ok := strings.CutPrefix(text, "→ "); ok {
		h.Typeflag, h.Linkname, h.Size, h.Mode, text = tar.TypeSymlink, target, 0, 0o777, ""
	} else if text == "/" {
		h.Name, h.Typeflag, h.Size, h.Mode, text = name+"/", tar.TypeDir, 0, 0o755, ""
	}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := io.WriteString(w, text)
	return err
}
