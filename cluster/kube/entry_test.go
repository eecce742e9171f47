package kube

import (
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// What a master prints is taken for data: programs to run, files to read and
// addresses to go to that it may name are not.
func TestAdminKubeconfigIsData(t *testing.T) {
	const text = `{"apiVersion": "v1", "kind": "Config", "current-context": "c",
		"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "evil"}}],
		"clusters": [{"name": "c", "cluster": {"server": "https://evil.example", "proxy-url": "http://evil.example", "insecure-skip-tls-verify": true, "certificate-authority-data": "QQ=="}}],
		"users": [{"name": "u", "user": {"client-certificate-data": "QQ==", "client-key-data": "QQ==", "token": "evil", "tokenFile": "/etc/passwd",
			"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/evil", "interactiveMode": "Never"}}}]}`
	e, err := AdminEntry([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	e.Server, e.Proxy = "https://198.51.100.1", ""
	c := clientcmdapi.NewConfig()
	e.Put(c, "c", Mark{})
	out, err := clientcmd.Write(*c)
	if err != nil || strings.Contains(string(out), "evil") || strings.Contains(string(out), "passwd") || strings.Contains(string(out), "insecure") {
		t.Errorf("the kubeconfig is %s (%v)", out, err)
	}
	for _, bad := range []string{
		strings.ReplaceAll(text, `"client-key-data": "QQ==", `, `"client-key": "/etc/passwd", `),
		strings.ReplaceAll(text, `"certificate-authority-data": "QQ=="`, `"certificate-authority": "/etc/passwd"`), "\x00", "", "[]",
	} {
		if e, err := AdminEntry([]byte(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, e)
		}
	}
}
