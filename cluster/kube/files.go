package kube

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Files are the files of the operator's kubeconfig, taken as kubectl takes
// them: of one name the first file's entry counts, a change is made where the
// entry is, and what is new goes into the first file that exists, or else into
// the last of the list.
type Files []string

// FilesOf are the paths of a list as in KUBECONFIG, or kubectl's own
// file if it has none.
func FilesOf(list string) Files {
	var paths Files
	for _, p := range filepath.SplitList(list) {
		if p != "" && !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	if len(paths) > 0 {
		return paths
	}
	if home, err := os.UserHomeDir(); err == nil {
		return Files{filepath.Join(home, ".kube", "config")}
	}
	return Files{clientcmd.RecommendedHomeFile}
}

// target is the file that takes what is new.
func (f Files) target() string {
	for _, path := range f {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return f[len(f)-1]
}

// Of is the file that has a context of the name, or would take it.
func (f Files) Of(name string) string {
	if c, err := f.Load(); err == nil && c.Contexts[name] != nil {
		return c.Contexts[name].LocationOfOrigin
	}
	return f.target()
}

// Load reads all files into one, as kubectl sees them.
func (f Files) Load() (*clientcmdapi.Config, error) {
	files, err := f.read()
	if err != nil {
		return nil, err
	}
	return f.merge(files), nil
}

// read reads each file.
func (f Files) read() (map[string]*clientcmdapi.Config, error) {
	files, errs := map[string]*clientcmdapi.Config{}, []error(nil)
	for _, path := range f {
		c, err := LoadFile(path)
		files[path], errs = c, append(errs, err)
	}
	return files, errors.Join(errs...)
}

// merge is what files say together.
func (f Files) merge(files map[string]*clientcmdapi.Config) *clientcmdapi.Config {
	all := clientcmdapi.NewConfig()
	for _, path := range f {
		c := files[path].DeepCopy()
		adopt(all.Clusters, c.Clusters)
		adopt(all.AuthInfos, c.AuthInfos)
		adopt(all.Contexts, c.Contexts)
		all.CurrentContext = cmp.Or(all.CurrentContext, c.CurrentContext)
	}
	return all
}

// adopt adds to a map what it has not.
func adopt[V any](to, from map[string]V) {
	for name, v := range from {
		if _, ok := to[name]; !ok {
			to[name] = v
		}
	}
}

// LoadFile reads one kubeconfig file; one that is not there is empty, and
// so is what stands for no file at all.
func LoadFile(path string) (*clientcmdapi.Config, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return clientcmdapi.NewConfig(), nil
	case err != nil:
		return nil, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	case isNull(info):
		return clientcmdapi.NewConfig(), nil
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("reading kubeconfig %s: %s", path, notAFile(info))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	if was, ok := parsed.Load(path); ok && bytes.Equal(was.(parsedFile).text, text) {
		return was.(parsedFile).config.DeepCopy(), nil
	}
	c, err := clientcmd.Load(text)
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	comesFrom(c, path)
	parsed.Store(path, parsedFile{text, c.DeepCopy()})
	return c, nil
}

// parsed has by path what the files said when they were read last. Each file is read each
// time; its YAML, which takes ten times as long, is taken apart again when it has changed.
var parsed sync.Map // of parsedFile

// A parsedFile is a kubeconfig file's text, and what that says.
type parsedFile struct {
	text   []byte
	config *clientcmdapi.Config
}

// comesFrom notes in each entry the file that it is from, as clientcmd.LoadFromFile does:
// a change is made there.
func comesFrom(c *clientcmdapi.Config, path string) {
	for _, x := range c.Clusters {
		x.LocationOfOrigin = path
	}
	for _, x := range c.AuthInfos {
		x.LocationOfOrigin = path
	}
	for _, x := range c.Contexts {
		x.LocationOfOrigin = path
	}
}

// isNull tells the one device that kubectl reads as an empty kubeconfig.
func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// notAFile says what a path is that is no regular file.
func notAFile(info fs.FileInfo) string {
	if info.IsDir() {
		return "it is a directory"
	}
	return "it is a device or a pipe, not a file"
}

// linked is the file that a path leads to, which may not be there yet: a link is
// kept, and what it leads to is written.
func linked(path string) (string, error) {
	for range 40 { // as many as the kernel follows
		to, err := os.Readlink(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || err != nil && isNoLink(path):
			return path, nil
		case err != nil:
			return "", err
		case !filepath.IsAbs(to):
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", fmt.Errorf("%s is a link that leads to itself", path)
}

func isNoLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink == 0
}
