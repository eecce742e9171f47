package addons

// autoscaler is of the minor of Kubernetes, whose scheduler is in it. It sizes pools, so it
// writes in Google's own right. The digest is of a public repository that pins it, the one
// that could be found; none of the lists of published images has one as new.
var autoscaler = Addon{
	Name: "cluster-autoscaler", Version: "v1.36.1",
	Images: map[string]Image{"autoscaler": {
		Ref:    "registry.k8s.io/autoscaling/cluster-autoscaler:v1.36.1",
		Digest: "sha256:461388d03eb5b55db58941ee7a81d9a619dd15302b01cbab9f5a9946715994b4",
	}},
	Workloads: []Workload{{Kind: "DaemonSet", Namespace: "kube-system", Name: "cluster-autoscaler", Writes: true}},
	Rights:    scaling,
	Unbuilt:   true,
}

// A Sized group is one that the cluster autoscaler sizes, by its URL at Google.
type Sized struct {
	Min, Max int
	Group    string
}
