package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// A Mark says in a kubeconfig whose an entry is: kubectl keeps extensions
// and looks at none. It holds as long as the certificate is the one it was
// written with: an entry that was turned to something else keeps it too.
type Mark struct {
	Cluster string `json:"cluster"`
	Project string `json:"project"`
	Cloud   string `json:"cloud,omitempty"` // the directory of an embedded GCE, "" for Google
	SHA256  string `json:"sha256"`          // of the entry's certificate
}

// markName is its name among the extensions.
const markName = "hakube"

func (m Mark) on(cert []byte) map[string]runtime.Object {
	m.SHA256 = hashOf(cert)
	b, err := json.Marshal(m)
	if err != nil { // texts only
		panic(err)
	}
	return map[string]runtime.Object{markName: &runtime.Unknown{Raw: b, ContentType: runtime.ContentTypeJSON}}
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// MarkOf reads the mark of an entry with the certificate.
func MarkOf(extensions map[string]runtime.Object, cert []byte) (m Mark, ok bool) {
	x, is := extensions[markName].(*runtime.Unknown)
	if !is || json.Unmarshal(x.Raw, &m) != nil || m.SHA256 != hashOf(cert) {
		return Mark{}, false
	}
	m.SHA256 = ""
	return m, true
}

func (m Mark) String() string {
	s := fmt.Sprintf("cluster %s of project %s", m.Cluster, m.Project)
	if m.Cloud != "" {
		s += " in the embedded GCE of " + m.Cloud
	}
	return s
}

// dead tells that the cloud of a mark is no more: an embedded GCE whose
// directory is gone.
func (m Mark) dead() bool {
	if m.Cloud == "" {
		return false
	}
	_, err := os.Stat(m.Cloud)
	return errors.Is(err, fs.ErrNotExist)
}

// ForgetCloud takes out of the files of a KUBECONFIG what leads to clusters of a
// cloud that is no more, and returns the names of the contexts.
func ForgetCloud(ctx context.Context, list, cloud string) (contexts []string, err error) {
	of := func(extensions map[string]runtime.Object, cert []byte) bool {
		m, ok := MarkOf(extensions, cert)
		return ok && m.Cloud == cloud
	}
	err = FilesOf(list).Edit(ctx, nil, time.Second, func(c *clientcmdapi.Config) error {
		contexts = nil
		for name, x := range c.Contexts {
			if cl := c.Clusters[x.Cluster]; cl != nil && of(cl.Extensions, cl.CertificateAuthorityData) {
				contexts = append(contexts, name)
				delete(c.Contexts, name)
			}
		}
		maps.DeleteFunc(c.Clusters, func(_ string, x *clientcmdapi.Cluster) bool { return of(x.Extensions, x.CertificateAuthorityData) })
		maps.DeleteFunc(c.AuthInfos, func(_ string, x *clientcmdapi.AuthInfo) bool { return of(x.Extensions, x.ClientCertificateData) })
		slices.Sort(contexts)
		if slices.Contains(contexts, c.CurrentContext) {
			c.CurrentContext = ""
		}
		return nil
	})
	return contexts, err
}

// MoveCloud turns what leads to clusters of a cloud to the proxy that reaches them now.
func MoveCloud(ctx context.Context, list, cloud, proxy string) error {
	return FilesOf(list).Edit(ctx, nil, time.Second, func(c *clientcmdapi.Config) error {
		for _, x := range c.Clusters {
			if m, ok := MarkOf(x.Extensions, x.CertificateAuthorityData); ok && m.Cloud == cloud {
				x.ProxyURL = proxy
			}
		}
		return nil
	})
}
