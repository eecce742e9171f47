package settings

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"hakube/cluster/refusal"
)

// Addons are names of package addons' rows, in their order, separated by commas; "none".
type Addons string

// NoAddons is a cluster with nothing but Kubernetes.
const NoAddons Addons = "none"

// CloudController is the addon that makes balancers and removes Nodes of gone machines.
const CloudController = "cloud-controller"

// Volumes is the addon that makes disks for volume claims.
const Volumes = "volumes"

// Metrics is the addon that kubectl top and autoscaling by CPU ask.
const Metrics = "metrics"

// AddonNames are all there are. A test holds them to package addons.
var AddonNames = []string{CloudController, Volumes, Metrics}

func (a *Addons) Decode(s string) error {
	names := strings.Split(s, ",")
	switch s {
	case "", string(NoAddons):
		names = nil
	case "all":
		names = AddonNames
	}
	var list []string
	for _, name := range AddonNames {
		if slices.Contains(names, name) {
			list = append(list, name)
		}
	}
	for _, name := range names {
		if !slices.Contains(AddonNames, name) {
			return fmt.Errorf("%s is no addon: there are %s, all and none", quoted(name), strings.Join(AddonNames, ", "))
		}
	}
	*a = NoAddons
	if len(list) > 0 {
		*a = Addons(strings.Join(list, ","))
	}
	return nil
}

// Names are those that are on.
func (a Addons) Names() []string {
	if a == "" || a == NoAddons {
		return nil
	}
	return strings.Split(string(a), ",")
}

// Has tells whether one is on.
func (a Addons) Has(name string) bool { return slices.Contains(a.Names(), name) }

// A PolicyProvider is who holds traffic to NetworkPolicy objects, by kube-up's names.
type PolicyProvider string

// What there is of them. KubeNetworkPolicies is the name of its addon too.
const (
	NoPolicies          PolicyProvider = "none"
	KubeNetworkPolicies PolicyProvider = "kube-network-policies"
)

func (p *PolicyProvider) Decode(s string) error {
	switch PolicyProvider(s) {
	case "", NoPolicies:
		*p = NoPolicies
	case KubeNetworkPolicies:
		*p = KubeNetworkPolicies
	case "calico":
		return fmt.Errorf("hakube has %s, which holds to the same NetworkPolicy objects; Calico itself is installed in a cluster that is made with %s", KubeNetworkPolicies, NoPolicies)
	default:
		return fmt.Errorf("%s is no provider of network policies: there are %s and %s", quoted(s), KubeNetworkPolicies, NoPolicies)
	}
	return nil
}

// AddonsOn are the addons that are to be in the cluster, in their order.
func (s *Settings) AddonsOn() []string {
	on := s.Addons.Names()
	if s.NetworkPolicy == KubeNetworkPolicies {
		on = append(slices.Clip(on), string(KubeNetworkPolicies))
	}
	if s.Autoscaler {
		if on = slices.Clip(on); !slices.Contains(on, CloudController) { // or Nodes of machines that it took away stay, and it takes them for failing
			on = slices.Insert(on, 0, CloudController)
		}
		on = append(on, ClusterAutoscaler)
	}
	return on
}

// ClusterAutoscaler is the addon that sizes pools by what pods ask for. It is switched by
// KUBE_ENABLE_CLUSTER_AUTOSCALER.
const ClusterAutoscaler = "cluster-autoscaler"

// AutoscalerVariables are what is said of it, all of it at any time.
var AutoscalerVariables = []string{
	"KUBE_ENABLE_CLUSTER_AUTOSCALER", "KUBE_AUTOSCALER_MIN_NODES", "KUBE_AUTOSCALER_MAX_NODES", "KUBE_AUTOSCALER_ENABLE_SCALE_DOWN",
}

// Within is how many nodes of n a zone's pool keeps or gets: where the cluster autoscaler
// sizes it, what is in between its limits is left alone.
func (s *Settings) Within(n int) int {
	if !bool(s.Autoscaler) || s.ScalesToMost < s.ScalesToLeast {
		return n
	}
	return min(max(n, int(s.ScalesToLeast)), int(s.ScalesToMost))
}

// Most is how many nodes a zone's pool may come to have.
func (s *Settings) Most() int {
	if bool(s.Autoscaler) {
		return max(int(s.NumNodes), int(s.ScalesToMost))
	}
	return int(s.NumNodes)
}

// Autosized is the same with a pool of n nodes, whatever NUM_NODES says, since the cluster
// autoscaler sizes it. That is still held to the limits.
func (s Spec) Autosized(n int) Spec {
	if s.Settings.Says("NUM_NODES") && !s.taken["NUM_NODES"] {
		s.Settings.asked = new(s.Settings.NumNodes)
	}
	return s.Taking("NUM_NODES", strconv.Itoa(s.Settings.Within(n)), true)
}

// Overruled tells that NUM_NODES was set to another number than the pool keeps.
func (s *Spec) Overruled() (n int, is bool) {
	if s.Settings.asked == nil {
		return 0, false
	}
	return int(*s.Settings.asked), *s.Settings.asked != s.Settings.NumNodes
}

// AutoscalerProblems is what is wrong with the limits, once those that nobody set are known.
func (s *Settings) AutoscalerProblems() (u refusal.Blockers) {
	if !s.Autoscaler {
		return nil
	}
	switch {
	case s.ScalesToMost == 0:
		u = append(u, &refusal.Refused{
			Why:  "KUBE_ENABLE_CLUSTER_AUTOSCALER=true: KUBE_AUTOSCALER_MAX_NODES is not set",
			Cure: "name how many nodes the pool of a zone may grow to, such as KUBE_AUTOSCALER_MAX_NODES=5",
		})
	case s.ScalesToLeast > s.ScalesToMost:
		u = append(u, &refusal.Refused{Why: s.limits() + ": the least is more than the most", Cure: "set one of them to what the other one allows"})
	}
	return u
}

func (s *Settings) limits() string {
	return fmt.Sprintf("KUBE_AUTOSCALER_MIN_NODES=%d and KUBE_AUTOSCALER_MAX_NODES=%d", s.ScalesToLeast, s.ScalesToMost)
}

// CountProblems holds a number of nodes that somebody set to the cluster autoscaler's limits.
func (s *Settings) CountProblems() refusal.Blockers {
	n := s.NumNodes
	if s.asked != nil {
		n = *s.asked
	}
	if !bool(s.Autoscaler && s.CreateNodes) || !s.Says("NUM_NODES") || len(s.AutoscalerProblems()) > 0 || s.ScalesToLeast <= n && n <= s.ScalesToMost {
		return nil
	}
	return refusal.Blockers{{
		Why:  fmt.Sprintf("NUM_NODES=%d is not between %s, where the cluster autoscaler keeps each pool", n, s.limits()),
		Cure: "leave NUM_NODES out, or set another limit",
	}}
}

// speakers are addons that speak to Google.
var speakers = []string{CloudController, Volumes}

// AddonProblems is what an addon that is on needs of the other settings, once those that
// nobody set are known.
func (s *Settings) AddonProblems() (u refusal.Blockers) {
	u = s.AutoscalerProblems()
	if bool(s.Autoscaler) && s.MasterAccount == NoAccount {
		u = append(u, &refusal.Refused{
			Why:  "KUBE_ENABLE_CLUSTER_AUTOSCALER=true: it sizes pools as the masters' service account, and HAKUBE_MASTER_SERVICE_ACCOUNT is none",
			Cure: withAccount,
		})
	}
	asks := slices.DeleteFunc(s.Addons.Names(), func(name string) bool { return !slices.Contains(speakers, name) })
	if len(asks) > 0 && s.MasterAccount == NoAccount {
		u = append(u, &refusal.Refused{
			Why:  "HAKUBE_ADDONS=" + strings.Join(asks, ",") + ": it speaks to Google as the masters' service account, and HAKUBE_MASTER_SERVICE_ACCOUNT is none",
			Cure: withAccount,
		})
	}
	return u
}

const withAccount = "make the cluster with HAKUBE_MASTER_SERVICE_ACCOUNT=default, or with an account of its own; on masters that are there it cannot be changed"
