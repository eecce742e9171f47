package settings

import (
	"fmt"
	"slices"
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
	return on
}

// speakers are addons that speak to Google.
var speakers = []string{CloudController, Volumes}

// AddonProblems is what an addon that is on needs of the other settings, once those that
// nobody set are known.
func (s *Settings) AddonProblems() (u refusal.Blockers) {
	asks := slices.DeleteFunc(s.Addons.Names(), func(name string) bool { return !slices.Contains(speakers, name) })
	if len(asks) > 0 && s.MasterAccount == NoAccount {
		u = append(u, &refusal.Refused{
			Why:  "HAKUBE_ADDONS=" + strings.Join(asks, ",") + ": it speaks to Google as the masters' service account, and HAKUBE_MASTER_SERVICE_ACCOUNT is none",
			Cure: "make the cluster with HAKUBE_MASTER_SERVICE_ACCOUNT=default, or with an account of its own; on masters that are there it cannot be changed",
		})
	}
	return u
}
