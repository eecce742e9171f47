package storage

import (
	"cmp"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakube/gce/emulator/internal/access"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// A bucket is what is kept of one. Names are everybody's: there is one of each, whatever
// project it is of.
type bucket struct {
	Name     string         `json:"name"`
	Project  string         `json:"project"`
	Location string         `json:"location"`
	Made     time.Time      `json:"made"`
	Uniform  bool           `json:"uniform,omitempty"`
	Policy   *access.Policy `json:"policy,omitempty"`
}

// A shownBucket is one as the API answers it.
// (https://cloud.google.com/storage/docs/json_api/v1/buckets)
type shownBucket struct {
	Kind          string        `json:"kind"`
	ID            string        `json:"id"`
	SelfLink      string        `json:"selfLink"`
	Name          string        `json:"name"`
	ProjectNumber uint64        `json:"projectNumber,string"`
	Generation    string        `json:"generation"`
	Meta          string        `json:"metageneration"`
	Location      string        `json:"location"`
	LocationType  string        `json:"locationType"`
	StorageClass  string        `json:"storageClass"`
	Etag          string        `json:"etag"`
	Created       string        `json:"timeCreated"`
	Updated       string        `json:"updated"`
	IAM           bucketsOwnIAM `json:"iamConfiguration"`
	SoftDelete    struct {
		Retention int64 `json:"retentionDurationSeconds,string"` // what is deleted is gone at once
	} `json:"softDeletePolicy"`
}

type bucketsOwnIAM struct {
	Uniform struct {
		Enabled bool `json:"enabled"`
	} `json:"uniformBucketLevelAccess"`
	PublicAccess string `json:"publicAccessPrevention"`
}

const base = "https://www.googleapis.com/storage/v1/b/"

func (b *bucket) shown() shownBucket {
	s := shownBucket{
		Kind: "storage#bucket", ID: b.Name, SelfLink: base + b.Name, Name: b.Name, ProjectNumber: projects.ProjectNumber(b.Project),
		Generation: strconv.FormatInt(b.Made.UnixMicro(), 10), Meta: "1", Location: b.Location, LocationType: locationType(b.Location), StorageClass: "STANDARD",
		Etag: "CAE=", Created: stamp(b.Made), Updated: stamp(b.Made),
	}
	s.IAM.Uniform.Enabled, s.IAM.PublicAccess = b.Uniform, "inherited"
	return s
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func locationType(location string) string {
	if strings.Contains(location, "-") {
		return "region"
	}
	return "multi-region"
}

func bucketRef(name string) doc.Ref { return doc.Ref("~buckets/" + name) }

func bucketOf(t *store.Tx, name string) *bucket { return kept[bucket](t.Get(bucketRef(name))) }

// buckets are all there are, sorted by name.
func buckets(t *store.Tx) (all []*bucket) {
	for _, o := range t.List("~buckets") {
		all = append(all, kept[bucket](o))
	}
	slices.SortFunc(all, func(a, b *bucket) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Contents counts buckets and their objects, by project.
func Contents(t *store.Tx) map[string]map[string]int {
	all := map[string]map[string]int{}
	for _, b := range buckets(t) {
		if all[b.Project] == nil {
			all[b.Project] = map[string]int{}
		}
		all[b.Project]["buckets"]++
		if n := len(t.List(objectsIn(b.Name))); n > 0 {
			all[b.Project]["objects"] += n
		}
	}
	return all
}

// bucketName is what a name may be, of those without dots, which take a domain to own.
var bucketName = regexp.MustCompile(`^[a-z0-9][-_a-z0-9]{1,61}[a-z0-9]$`)

// asked reads a request's body.
func (k *ask) asked(into any) error {
	raw, err := io.ReadAll(io.LimitReader(k.r.Body, 1<<20))
	if err != nil {
		return problem.Refuse("Reading request: %v", err)
	}
	if err := json.Unmarshal(raw, into); err != nil && len(strings.TrimSpace(string(raw))) > 0 {
		return problem.New(400, "parseError", "", "Parse Error: "+err.Error())
	}
	return nil
}

// notWritten are fields of a bucket that nothing here would follow.
var notWritten = []string{"lifecycle", "retentionPolicy", "versioning", "encryption", "website", "cors", "billing", "logging", "autoclass", "hierarchicalNamespace", "ipFilter", "objectRetention", "acl", "defaultObjectAcl"}

func createBucket(k *ask) (any, error) {
	var all map[string]any
	if err := k.asked(&all); err != nil {
		return nil, err
	}
	for _, name := range notWritten {
		if !doc.SaysNoMore(all[name], nil) {
			return nil, problem.NotWritten("a bucket's " + name)
		}
	}
	var asked struct {
		Name, Location, StorageClass string
		IAM                          bucketsOwnIAM `json:"iamConfiguration"`
	}
	if err := doc.Convert(all, &asked); err != nil {
		return nil, problem.Refuse("%v", err)
	}
	project := k.query.Get("project")
	switch {
	case project == "":
		return nil, problem.New(400, "required", "", "Required parameter: project")
	case !bucketName.MatchString(asked.Name) || strings.HasPrefix(asked.Name, "goog"):
		return nil, problem.New(400, "invalid", "", "Invalid bucket name: '"+asked.Name+"'")
	case asked.StorageClass != "" && asked.StorageClass != "STANDARD":
		return nil, problem.NotWritten("storage class " + asked.StorageClass)
	}
	b := &bucket{Name: asked.Name, Project: project, Location: strings.ToUpper(cmp.Or(asked.Location, "US")), Made: k.s.Opts.Now(), Uniform: asked.IAM.Uniform.Enabled}
	err := k.s.Store.Update(func(t *store.Tx) error {
		if err := k.may(t, &bucket{Project: project}, "storage.buckets.create"); err != nil {
			return err
		}
		if bucketOf(t, b.Name) != nil {
			return problem.New(409, "conflict", "", "Your previous request to create the named bucket succeeded and you already own it.")
		}
		return keep(t, bucketRef(b.Name), b)
	})
	if err != nil {
		return nil, err
	}
	return b.shown(), nil
}

func listBuckets(k *ask) (any, error) {
	project := k.query.Get("project")
	if project == "" {
		return nil, problem.New(400, "required", "", "Required parameter: project")
	}
	out := struct {
		Kind  string        `json:"kind"`
		Items []shownBucket `json:"items,omitempty"`
	}{Kind: "storage#buckets"}
	var err error
	k.s.Store.View(func(t *store.Tx) {
		if err = k.may(t, &bucket{Project: project}, "storage.buckets.list"); err != nil {
			return
		}
		for _, b := range buckets(t) {
			if b.Project == project && strings.HasPrefix(b.Name, k.query.Get("prefix")) {
				out.Items = append(out.Items, b.shown())
			}
		}
	})
	return out, err
}

func getBucket(k *ask) (out any, err error) {
	err = k.view("storage.buckets.get", func(_ *store.Tx, b *bucket) error {
		out = b.shown()
		return nil
	})
	return out, err
}

func deleteBucket(k *ask) (any, error) {
	err := k.change("storage.buckets.delete", func(t *store.Tx, b *bucket) error {
		if len(t.List(objectsIn(b.Name))) > 0 {
			return problem.New(409, "conflict", "", "The bucket you tried to delete is not empty.")
		}
		t.Delete(bucketRef(b.Name))
		return nil
	})
	return nothing, err
}

// A shownPolicy is a bucket's policy as the API answers it.
type shownPolicy struct {
	Kind     string `json:"kind"`
	Resource string `json:"resourceId"`
	*access.Policy
}

func getPolicy(k *ask) (out any, err error) {
	err = k.view("storage.buckets.getIamPolicy", func(_ *store.Tx, b *bucket) error {
		out = shownPolicy{"storage#policy", "projects/_/buckets/" + b.Name, b.Policy.Shown()}
		return nil
	})
	return out, err
}

func setPolicy(k *ask) (out any, err error) {
	next := &access.Policy{}
	if err := k.asked(next); err != nil {
		return nil, err
	}
	err = k.change("storage.buckets.setIamPolicy", func(t *store.Tx, b *bucket) error {
		if err := next.Check(t, b.Project, b.Policy); err != nil {
			return err
		}
		b.Policy = next
		out = shownPolicy{"storage#policy", "projects/_/buckets/" + b.Name, next.Shown()}
		return keep(t, bucketRef(b.Name), b)
	})
	return out, err
}

// testPermissions needs none itself.
func testPermissions(k *ask) (any, error) {
	out := struct {
		Kind        string   `json:"kind"`
		Permissions []string `json:"permissions,omitempty"`
	}{Kind: "storage#testIamPermissionsResponse"}
	err := k.view("", func(t *store.Tx, b *bucket) error {
		for _, p := range k.query["permissions"] {
			if k.by == nil && !slices.Contains(k.s.Opts.Withheld, p) || k.by != nil && k.may(t, b, p) == nil {
				out.Permissions = append(out.Permissions, p)
			}
		}
		return nil
	})
	return out, err
}
