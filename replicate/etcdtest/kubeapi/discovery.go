package kubeapi

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
)

// Discover answers how kubectl and client-go find out what there is.
func Discover(path string) (any, bool) {
	switch path {
	case "/api":
		return metav1.APIVersions{TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"}}, true
	case "/apis":
		return metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{}}, true
	case "/api/v1":
		list := metav1.APIResourceList{TypeMeta: metav1.TypeMeta{Kind: "APIResourceList"}, GroupVersion: "v1"}
		for _, r := range Resources {
			list.APIResources = append(list.APIResources, metav1.APIResource{
				Name: r.Name, SingularName: strings.ToLower(r.Kind), Namespaced: r.Namespaced, Kind: r.Kind,
				Verbs: r.Verbs, ShortNames: r.short,
			})
		}
		return list, true
	}
	return nil, false
}

// VersionOf is what /version says: v1.36.3 is 1, 36 and itself.
func VersionOf(v string) version.Info {
	parts := strings.SplitN(strings.TrimPrefix(v, "v"), ".", 3)
	info := version.Info{GitVersion: v, GitTreeState: "clean", Platform: "linux/amd64"}
	if len(parts) == 3 {
		info.Major, info.Minor = parts[0], parts[1]
	}
	return info
}
