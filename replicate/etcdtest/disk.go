package etcdtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CreateDisk makes an empty model disk; one that is there already stays as it is.
func CreateDisk(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("creating model disk: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600) // an empty file is an empty disk
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("creating model disk: %w", err)
	}
	return nil
}

// DeleteDisk removes a model disk; one that is gone is no error.
func DeleteDisk(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting model disk: %w", err)
	}
	return nil
}

// A bootDisk is what a model machine keeps on its boot disk.
type bootDisk struct {
	MachineID string `json:"machineID"` // made with the disk: tells kubelets of one name apart
	HostKey   []byte `json:"hostKey"`   // seed of an ed25519 key
	// Joined is the CA hash of the cluster whose certificate the kubelet has,
	// "" before it joined.
	Joined string `json:"joined,omitempty"`
	// Upgraded is the version that the machine was once made to bring.
	Upgraded string `json:"upgraded,omitempty"`
	// Lost: the firmware finds nothing on it that it could boot.
	Lost bool `json:"lost,omitempty"`
}

func readBootDisk(path string) (bootDisk, error) {
	var b bootDisk
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		return b, fmt.Errorf("reading model boot disk %s: %w", path, err)
	}
	return b, nil
}

func (b bootDisk) write(path string) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("writing model boot disk: %w", err)
	}
	// Losing it with the power costs a host key that nobody relies on yet.
	return replaceFile(path, append(text, '\n'), false)
}

// A dataDisk is a master's persistent disk: a file whose first line is all that
// was on it once, and whose other lines are the changes of the rings since.
type dataDisk struct {
	file    *os.File
	path    string
	size    int64 // of what is valid in the file
	whole   int64 // of its first line
	gone    bool  // it was taken away while it was in use
	noSync  bool  // what is written need not outlive the host's power
	content content
}

// content is what is on a dataDisk.
type content struct {
	Cluster   string                 `json:"cluster,omitempty"` // PROJECT/PREFIX, whose disk it is
	Name      string                 `json:"name,omitempty"`    // of the machine: its members'
	Joining   bool                   `json:"joining,omitempty"` // has keys or members, and no control plane yet
	Version   string                 `json:"version,omitempty"` // of Kubernetes
	PKI       *pki                   `json:"pki,omitempty"`
	Authority exchanged              `json:"authority,omitzero"`
	AdminConf string                 `json:"adminConf,omitempty"`
	Rotated   string                 `json:"rotated,omitempty"` // the last rotation of certificates
	Rings     map[string]*memberData `json:"rings,omitempty"`   // present once the cluster was founded
	// Encryption are the names of the keys that Secrets are encrypted with, the one for what
	// is written first, and Exchange which exchange of them was brought how far.
	Encryption []string `json:"encryption,omitempty"`
	Exchange   exchange `json:"exchange,omitzero"`
	// Tokens are the keys of tokens of service accounts.
	Tokens tokenKeys `json:"tokens,omitzero"`
	// EtcdCA is the authority of both rings.
	EtcdCA tokenKeys `json:"etcdCA,omitzero"`
	// FileSystem is how large it is, in bytes.
	FileSystem int64        `json:"fileSystem,omitempty"`
	Crowd      Crowd        `json:"crowd,omitzero"`
	Aside      []memberData `json:"aside,omitempty"` // data of members that were removed, put aside
	// Spread is a backup that is to be restored here, Restored the one that was, and Before
	// what was there.
	Spread   *spreading             `json:"spread,omitempty"`
	Restored string                 `json:"restored,omitempty"`
	Before   map[string]*memberData `json:"before,omitempty"`
	// Kept are the revisions of both rings as they were before an upgrade, by its version.
	Kept map[string]map[string]int64 `json:"kept,omitempty"`
}

var errGone = fmt.Errorf("writing model disk: %w", syscall.EIO)

// openData opens a disk and brings it up to the last change that was written
// whole: the end of a write that was cut was never acknowledged.
func openData(path string) (*dataDisk, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0) // no path is no disk
	if err != nil {
		return nil, fmt.Errorf("opening model disk: %w", err)
	}
	d := &dataDisk{file: f, path: path}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("reading model disk %s: %w", path, errors.Join(err, f.Close()))
	}
	return d, nil
}

func (d *dataDisk) load() error {
	r := bufio.NewReader(d.file)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil { // EOF; what there is of the line is not whole
			break
		}
		if d.size == 0 {
			if err := json.Unmarshal(line, &d.content); err != nil {
				return err
			}
			d.whole = int64(len(line))
		} else {
			var c change
			if err := json.Unmarshal(line, &c); err != nil {
				return err
			}
			m := d.content.Rings[c.Ring]
			if m == nil {
				return fmt.Errorf("a change of ring %q, of which there is nothing", c.Ring)
			}
			m.State.apply(c)
		}
		d.size += int64(len(line))
	}
	return d.file.Truncate(d.size)
}

// write adds a change to the file, so that it survives the end of this process.
func (d *dataDisk) write(c change) error {
	if d.gone {
		return errGone
	}
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing model disk: %w", err)
	}
	if _, err := d.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing model disk: %w", errors.Join(err, d.file.Truncate(d.size)))
	}
	d.size += int64(len(line)) + 1
	d.content.Rings[c.Ring].State.apply(c)
	if d.size > 2*d.whole+1<<20 {
		return d.save()
	}
	return nil
}

// save writes all of the content anew, and has it reach the real disk, or where that
// is not wanted the host's memory.
func (d *dataDisk) save() error {
	if d.gone {
		return errGone
	}
	text, err := json.Marshal(d.content)
	if err != nil {
		return fmt.Errorf("writing model disk: %w", err)
	}
	text = append(text, '\n')
	if err := replaceFile(d.path, text, !d.noSync); err != nil {
		return err
	}
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("opening model disk: %w", err)
	}
	_ = d.file.Close() // nothing of it is needed any more
	d.file, d.size, d.whole = f, int64(len(text)), int64(len(text))
	return nil
}

func (d *dataDisk) close() error { return d.file.Close() }

// replaceFile makes the file hold text, or leaves it as it was.
func replaceFile(path string, text []byte, durable bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing model disk: %w", err)
	}
	_, err = f.ReadFrom(bytes.NewReader(text))
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing model disk: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
