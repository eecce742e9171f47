package scripts

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestCredentialProvider: kubelet is told of the program for Google's registries, which
// answers with the machine's token for as long as it lives; without an account with none, and
// not at all when the metadata server fails.
func TestCredentialProvider(t *testing.T) {
	g := newGuest(t)
	set := `PROVIDER=$TEST_DIR/disk/provider KUBELET_DROP_IN=$TEST_DIR/disk/drop-in METADATA=http://metadata; `
	if _, stderr, err := g.run(set + `AUTH_PROVIDER=true; write_credential_provider`); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	config := struct {
		Providers []struct {
			Name        string
			MatchImages []string
		}
	}{}
	if err := yaml.Unmarshal([]byte(g.read("provider/config.yaml")), &config); err != nil || len(config.Providers) != 1 {
		t.Fatalf("%+v, %v", config, err)
	}
	dir := filepath.Join(g.dir, "disk")
	if drop := g.read("drop-in"); !strings.Contains(drop, "--image-credential-provider-config="+dir+"/provider/config.yaml --image-credential-provider-bin-dir="+dir+"/provider/bin") {
		t.Errorf("kubelet is told %s", drop)
	}
	program := filepath.Join(dir, "provider/bin", config.Providers[0].Name)
	for _, x := range []struct {
		answer, password, duration string
		fails                      bool
	}{
		{`{"access_token":"ya29.a-b_c","expires_in":3599,"token_type":"Bearer"}` + "\n200", "ya29.a-b_c", "3539s", false},
		{"{\n \"access_token\": \"ya29.old\",\n \"expires_in\": 90\n}\n200", "ya29.old", "0s", false},
		{"<html>Not Found</html>\n404", "", "60s", false},
		{"busy\n503", "", "", true},
		{"{}\n200", "", "", true},
	} {
		if err := os.WriteFile(filepath.Join(dir, "answer"), []byte(x.answer), 0o644); err != nil {
			t.Fatal(err)
		}
		stdout, stderr, err := g.run(`curl() { [[ $* == *"http://metadata/instance/service-accounts/default/token" ]] && cat "$TEST_DIR/disk/answer"; }
export -f curl; export TEST_DIR; bash ` + program + ` <<<'{"kind":"CredentialProviderRequest"}'`)
		if x.fails {
			if err == nil || stdout != "" {
				t.Errorf("%q: %q, %v", x.answer, stdout, err)
			}
			continue
		}
		var got struct {
			APIVersion, Kind, CacheKeyType, CacheDuration string
			Auth                                          map[string]struct{ Username, Password string }
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%q: %q, %v: %s", x.answer, stdout, err, stderr)
		}
		if got.Kind != "CredentialProviderResponse" || got.APIVersion != "credentialprovider.kubelet.k8s.io/v1" || got.CacheDuration != x.duration {
			t.Errorf("%q: %+v", x.answer, got)
		}
		images := config.Providers[0].MatchImages
		if x.password == "" {
			images = nil
		}
		if len(got.Auth) != len(images) {
			t.Errorf("%q: %+v", x.answer, got.Auth)
		}
		for registry, auth := range got.Auth {
			if !slices.Contains(images, registry) || auth.Username != "_token" || auth.Password != x.password {
				t.Errorf("%q: %s has %+v", x.answer, registry, auth)
			}
		}
	}
	if _, stderr, err := g.run(set + `AUTH_PROVIDER=false; write_credential_provider; [[ ! -e $PROVIDER && ! -e $KUBELET_DROP_IN ]]`); err != nil {
		t.Errorf("switched off it stays: %v: %s", err, stderr)
	}
}
