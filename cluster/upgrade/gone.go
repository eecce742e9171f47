package upgrade

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"hakube/cluster/kube"
	"hakube/cluster/task"
)

// deprecated is a line of an API server's metrics: somebody has asked it for an API that a later
// release has no more.
var deprecated = regexp.MustCompile(`(?m)^apiserver_requested_deprecated_apis\{([^}]*)\} 1$`)

var metricLabel = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)

// warnOfGone says which APIs that the version has no more somebody still asks for. It refuses
// nothing: whoever looked once, by hand, is counted until the API server starts anew.
func warnOfGone(ctx context.Context, r *task.Task, to string) {
	client, err := r.Kube(ctx)
	if err == nil {
		var list []string
		if list, err = gone(ctx, client.RESTClient(), to); len(list) > 0 {
			r.Warn(fmt.Sprintf("%s are gone in Kubernetes %s, and the API server that answers was asked for them since it started: whoever still does fails then", strings.Join(list, ", "), to))
		}
	}
	if err != nil && !apierrors.IsNotFound(err) {
		r.Warn("whether somebody asks for APIs that are gone in Kubernetes " + to + " is not known: " + kube.Plainly(err))
	}
}

// gone are those APIs, as "GROUP/VERSION RESOURCE".
func gone(ctx context.Context, api rest.Interface, to string) (list []string, err error) {
	text, err := api.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	for _, line := range deprecated.FindAllSubmatch(text, -1) {
		of := map[string]string{}
		for _, label := range metricLabel.FindAllStringSubmatch(string(line[1]), -1) {
			of[label[1]] = label[2]
		}
		since := of["removed_release"]
		if since == "" || older(to, "v"+since+".0") {
			continue
		}
		if is := strings.TrimPrefix(of["group"]+"/", "/") + of["version"] + " " + of["resource"]; !slices.Contains(list, is) {
			list = append(list, is)
		}
	}
	slices.Sort(list)
	return list, nil
}
