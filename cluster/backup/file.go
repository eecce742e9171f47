// Package backup makes backups of a cluster, reads them, and says whether one is whole.
// A master takes one, tries it and encrypts it (scripts/backup.sh); this package has it
// sent and keeps it in a file, of which only the record can be read without a key.
package backup

import (
	"archive/tar"
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/scripts/cure"
)

// The parts of a backup, in their order.
const (
	RecordPart = "hakube-backup.json"
	KeysPart   = "keys.json.age"
	sumsPart   = "SHA256SUMS"
)

// RingPart is a ring's part.
func RingPart(ring string) string { return ring + ".db.age" }

var parts = []string{RecordPart, RingPart(rings.Names[0]), RingPart(rings.Names[1]), KeysPart, sumsPart}

// Format is the newest that is written, and read.
const Format = 1

// A Record says whose a backup is and what was seen of it when it was tried.
type Record struct {
	Format     int               `json:"format"`
	Cluster    string            `json:"cluster"` // PROJECT/PREFIX
	Made       Seconds           `json:"made"`
	Master     string            `json:"master"` // that made it
	Kubernetes string            `json:"kubernetes"`
	Etcd       string            `json:"etcd"`
	Settings   map[string]string `json:"settings"` // as the cluster was then, by variable
	Rings      map[string]Ring   `json:"rings"`
}

// A Ring is what a throwaway etcd said of a ring's snapshot.
type Ring struct {
	Revision int64            `json:"revision"`
	Hash     int64            `json:"hash"`   // of the snapshot's database
	HashKV   int64            `json:"hashKV"` // of its keys and their history, the same as the ring's
	Keys     int64            `json:"keys"`
	Bytes    int64            `json:"bytes"`
	Prefixes map[string]int64 `json:"prefixes"` // how many keys, by what they begin with
}

// Seconds are a time, since 1970.
type Seconds int64

// Time is the time.
func (s Seconds) Time() time.Time { return time.Unix(int64(s), 0).UTC() }

// A Damaged backup is one of which parts are not what they were.
type Damaged struct {
	File  string
	Parts []string
}

func (d *Damaged) Error() string {
	return fmt.Sprintf("the backup %s is damaged: %s. Nothing was changed", d.File, strings.Join(d.Parts, ", "))
}

// Hint says what to do.
func (*Damaged) Hint() string {
	return "take another copy of it, or another backup: hakube restores all of one or nothing"
}

// A File is a backup that is whole.
type File struct {
	Record Record
	ID     string // the same for the same backup, wherever it lies
	name   string // it is called so
	file   *os.File
	at     map[string]section
}

type section struct{ from, bytes int64 }

// Open reads all of a backup, and refuses one that is not whole, by the name of what is
// wrong with it.
func Open(path string) (*File, error) { return open(path, path) }

func open(name, path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the backup: %w", err)
	}
	f := &File{name: name, file: file, at: map[string]section{}}
	if err = f.read(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return f, nil
}

// Close forgets it.
func (f *File) Close() error { return f.file.Close() }

func (f *File) read() error {
	found, sums, err := f.sum()
	if err != nil {
		return err
	}
	damaged := &Damaged{File: f.name}
	for _, name := range parts[:len(parts)-1] {
		switch want := sums[name]; {
		case found[name] == "":
			damaged.Parts = append(damaged.Parts, name+" is missing or cut off")
		case want == "":
			damaged.Parts = append(damaged.Parts, sumsPart+" does not name "+name)
		case found[name] != want:
			damaged.Parts = append(damaged.Parts, name+" is not what "+sumsPart+" says of it")
		}
	}
	if found[sumsPart] == "" {
		damaged.Parts = []string{sumsPart + ", which comes last, is missing or cut off"}
	}
	if len(damaged.Parts) > 0 {
		return damaged
	}
	f.ID = found[sumsPart]
	return f.readRecord()
}

// sum reads the archive once: the checksums of what is in it, and those it has of itself.
// What follows a part whose header is damaged cannot be found, and counts as missing.
func (f *File) sum() (found, sums map[string]string, err error) {
	found, sums = map[string]string{}, map[string]string{}
	archive := tar.NewReader(f.file)
	for {
		h, err := archive.Next()
		if err == io.EOF || errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
			return found, sums, f.isOne(found)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("reading the backup %s: %w", f.name, err)
		}
		if !slices.Contains(parts, h.Name) || found[h.Name] != "" {
			continue
		}
		from, err := f.file.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the backup %s: %w", f.name, err)
		}
		var text strings.Builder
		sum := sha256.New()
		to := io.Writer(sum)
		if h.Name == sumsPart && h.Size < 1<<16 {
			to = io.MultiWriter(sum, &text)
		}
		if _, err := io.Copy(to, archive); err != nil {
			return found, sums, f.isOne(found) // cut off
		}
		f.at[h.Name] = section{from, h.Size}
		found[h.Name] = hexOf(sum)
		for line := range strings.Lines(text.String()) {
			if words := strings.Fields(line); len(words) == 2 {
				sums[words[1]] = words[0]
			}
		}
	}
}

func hexOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// isOne refuses what is something else altogether.
func (f *File) isOne(found map[string]string) error {
	if len(found) > 0 {
		return nil
	}
	return &refusal.Refused{Why: f.name + " is no backup of hakube's: none of a backup's parts is in it. Nothing was changed"}
}

func (f *File) readRecord() (err error) {
	f.Record, err = recordIn(f.name, f.sectionOf(RecordPart))
	return err
}

// recordIn reads the record of the backup that is called so.
func recordIn(name string, text io.Reader) (r Record, err error) {
	if err := json.NewDecoder(text).Decode(&r); err != nil {
		return r, &Damaged{name, []string{RecordPart + " cannot be read: " + err.Error()}}
	}
	if r.Format != Format {
		return r, &refusal.Refused{
			Why:  fmt.Sprintf("the backup %s has format %d, and this hakube reads %d. Nothing was changed", name, r.Format, Format),
			Cure: "take the hakube that made it, or a newer one",
		}
	}
	for _, ring := range rings.Names {
		if r.Rings[ring].Revision < 1 {
			return r, &Damaged{name, []string{RecordPart + " has no ring " + ring + " that was tried"}}
		}
	}
	return r, nil
}

func (f *File) sectionOf(name string) *io.SectionReader {
	return io.NewSectionReader(f.file, f.at[name].from, f.at[name].bytes)
}

// Size is how many bytes it has.
func (f *File) Size() (int64, error) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Part is a part, decrypted as it is read.
func (f *File) Part(name string, keys []age.Identity) (io.Reader, error) {
	r, err := age.Decrypt(bufio.NewReader(f.sectionOf(name)), keys...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, &refusal.Refused{
			Why:  fmt.Sprintf("the backup %s was encrypted to other keys than that of HAKUBE_BACKUP_IDENTITY. Nothing was changed", f.name),
			Cure: cure.Hint("name the file of the key it was made for", cure.Same().With("HAKUBE_BACKUP_IDENTITY", "FILE")),
		}
	}
	if err != nil {
		return nil, &Damaged{f.name, []string{name + ": " + err.Error()}}
	}
	return r, nil
}

// Opens decrypts all of it, to nowhere: whoever has the wrong key learns it before
// anything is changed. It returns how many bytes each ring's snapshot has.
func (f *File) Opens(keys []age.Identity) (sizes map[string]int64, err error) {
	sizes = map[string]int64{}
	for _, name := range parts[1 : len(parts)-1] {
		r, err := f.Part(name, keys)
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(io.Discard, r)
		if err != nil {
			return nil, &Damaged{f.name, []string{name + ": " + err.Error()}}
		}
		sizes[name] = n
	}
	return sizes, nil
}

// Keys reads the private keys of an age identity file.
func Keys(path string) ([]age.Identity, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the backup: %w", err)
	}
	keys, err := age.ParseIdentities(file)
	if err = cmp.Or(err, file.Close()); err != nil {
		return nil, fmt.Errorf("reading the key of the backup, %s: %w (it is a file as age-keygen writes it, not encrypted itself)", path, err)
	}
	return keys, nil
}
