package gce

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"google.golang.org/api/option"
	// Authenticates with Application Default Credentials, as all of Google's
	// tools do: key file, gcloud's login, workload identity, metadata server.
	htransport "google.golang.org/api/transport/http"
)

const scope = "https://www.googleapis.com/auth/cloud-platform"

// GoogleHTTP returns an HTTP client with Application Default Credentials.
func GoogleHTTP(ctx context.Context) (*http.Client, error) {
	c, _, err := htransport.NewClient(ctx, option.WithScopes(scope))
	if err != nil {
		return nil, &Error{
			Verb: "opening", Object: "compute engine", Err: err, Reason: reasonNoCredentials,
			Message: "no credentials for Google Cloud: " + firstLine(err),
		}
	}
	return c, nil
}

// DefaultProject returns the project gcloud is set to, "" when there is none.
// It reads what gcloud reads, in its order: CLOUDSDK_CORE_PROJECT, then the
// active configuration's file (CLOUDSDK_CONFIG, CLOUDSDK_ACTIVE_CONFIG_NAME).
func DefaultProject() string {
	return gcloudProject(os.Getenv, os.UserHomeDir)
}

func gcloudProject(getenv func(string) string, home func() (string, error)) string {
	if p := getenv("CLOUDSDK_CORE_PROJECT"); p != "" {
		return p
	}
	dir := getenv("CLOUDSDK_CONFIG")
	if dir == "" {
		if runtime.GOOS == "windows" {
			dir = filepath.Join(getenv("APPDATA"), "gcloud")
		} else if h, err := home(); err == nil {
			dir = filepath.Join(h, ".config", "gcloud")
		}
	}
	name := getenv("CLOUDSDK_ACTIVE_CONFIG_NAME")
	if name == "" {
		b, _ := os.ReadFile(filepath.Join(dir, "active_config"))
		name = strings.TrimSpace(string(b))
	}
	if name == "" {
		name = "default"
	}
	return iniValue(filepath.Join(dir, "configurations", "config_"+name), "core", "project")
}

// iniValue reads one key of gcloud's configuration file, which Python's
// configparser writes: [section] lines and "key = value".
func iniValue(path, section, key string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	in := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			in = line == "["+section+"]"
		case in:
			k, v, ok := strings.Cut(line, "=")
			if !ok {
				k, v, ok = strings.Cut(line, ":")
			}
			if ok && strings.TrimSpace(k) == key {
				return strings.TrimSpace(v)
			}
		}
	}
	return ""
}
