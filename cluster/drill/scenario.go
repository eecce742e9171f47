// Package drill has something fail on purpose, measures what users would see meanwhile,
// takes it back whatever happens, and judges what was seen against what was expected.
package drill

import "slices"

// A Scenario is a failure that can be rehearsed.
type Scenario struct {
	Name  string // what a person types
	Title string
	Cause string // the root cause, in the words of Kubernetes' document about availability
	// Expected is what that document expects, in its own words: of a cluster with one
	// master, or of what is not replicated, its results, of several masters its mitigations.
	Expected   []string
	Replicated []string

	target  target
	failure string   // of scripts/drill.sh, or one of Compute Engine's verbs below
	Fails   string   // what is done to it
	Undo    string   // what takes it back
	Rings   []string // whose members on what fails do not take part meanwhile
	API     bool     // its API server does not serve meanwhile
	// NotReady tells that its Node is to be found out, of a zone all of them.
	NotReady bool
	// Moves tells that the workload's pods on it are to be started elsewhere, if they can run there.
	Moves bool
	// Replaces tells that a pod is deleted meanwhile, which another master has replaced.
	Replaces bool
	// Named tells that status and validate are to say what fails.
	Named bool
}

// A target is what a failure happens to.
type target string

const (
	aMaster target = "master"
	aNode   target = "node"
	aZone   target = "zone"
	aThing  target = "namespace"
)

// Failures that a machine does not make of itself.
const (
	stops  = "stop"  // Compute Engine stops it, and starts it again
	resets = "reset" // as its reset button would: it boots by itself
	// Kubernetes deletes a namespace that the drill has made.
	deletes = "delete"
)

// others is what each machine of a zone does.
const others = "others"

const (
	shutdown  = "VM(s) shutdown"
	partition = "network partition within cluster, or between cluster and users"
	crashes   = "crashes in Kubernetes software"
	storage   = "data loss or unavailability from storage"
	operator  = "operator error misconfigures kubernetes software or application software"
)

var (
	noAPI = []string{
		"unable to stop, update, or start new pods, services, replication controller",
		"existing pods and services should continue to work normally, unless they depend on the Kubernetes API",
	}
	tolerates = []string{"High-availability (replicated) APIserver … Will tolerate one or more similtaneous apiserver failures."}
	recovers  = []string{"Each apiserver has independent storage. Etcd will recover from loss of one member."}
	kubelets  = []string{
		"crashing kubelet cannot start new pods on the node", "kubelet might delete the pods or not",
		"node marked unhealthy", "replication controllers start new pods elsewhere",
	}
	colocated = []string{"currently those are colocated with the apiserver, and their unavailability has similar consequences as apiserver", "they do not have own persistent state"}
	lost      = []string{"pods on that Node stop running", "service should be used to hide changes in the pod IP address after restart"}
	gone      = []string{
		"apiserver should fail to come up",
		"kubelets will not be able to reach it but will continute to run the same pods and provide the same service proxying",
	}
	unchanged = []string{"existing pods and services should continue to work normally"}
	mistake   = []string{"loss of pods, services, etc", "snapshot apiserver PD/EBS-volume periodically"}
	both      = []string{"main", "events"}
)

// Scenarios are all of them, in the order in which "all" has them.
func Scenarios() []Scenario {
	return []Scenario{
		{
			Name: "apiserver-killed", Title: "an API server is killed", Cause: crashes, Expected: noAPI, Replicated: tolerates,
			target: aMaster, failure: "api", API: true, Named: true,
			Fails: "kube-apiserver of one master is killed and not started again", Undo: "its manifest is put back, and its kubelet starts it",
		},
		{
			Name: "etcd-main-killed", Title: "etcd of ring main is killed on a master", Cause: crashes, Expected: noAPI, Replicated: recovers,
			target: aMaster, failure: "etcd-main", Rings: both[:1], API: true, Named: true,
			Fails: "etcd@main of one master is killed and not started again", Undo: "systemd starts it",
		},
		{
			Name: "etcd-events-killed", Title: "etcd of ring events is killed on a master", Cause: crashes, Expected: unchanged, Replicated: recovers,
			target: aMaster, failure: "etcd-events", Rings: both[1:], Named: true,
			Fails: "etcd@events of one master is killed and not started again", Undo: "systemd starts it",
		},
		{
			Name: "master-halted", Title: "a master is halted", Cause: shutdown, Expected: noAPI, Replicated: tolerates,
			target: aMaster, failure: stops, Rings: both, API: true, NotReady: true, Named: true,
			Fails: "Compute Engine stops one master's machine", Undo: "Compute Engine starts it",
		},
		{
			Name: "machine-killed", Title: "a master's machine is killed without warning", Cause: shutdown, Expected: noAPI, Replicated: append(slices.Clone(tolerates), recovers...),
			target: aMaster, failure: resets, Rings: both, API: true,
			Fails: "Compute Engine resets one master's machine, as its reset button would", Undo: "it boots by itself",
		},
		{
			Name: "kubelet-dead", Title: "a node's kubelet is dead", Cause: crashes, Expected: kubelets, Replicated: kubelets,
			target: aNode, failure: "kubelet", NotReady: true, Moves: true, Named: true,
			Fails: "the kubelet of one node is killed and not started again", Undo: "systemd starts it",
		},
		{
			Name: "controllers-killed", Title: "scheduler and controllers of a master are killed", Cause: crashes, Expected: colocated, Replicated: append(slices.Clone(colocated), "in future, these will be replicated as well"),
			target: aMaster, failure: "controllers", Replaces: true,
			Fails: "kube-scheduler and kube-controller-manager of one master are killed and not started again", Undo: "their manifests are put back, and its kubelet starts them",
		},
		{
			Name: "node-lost", Title: "a node is lost", Cause: shutdown, Expected: lost, Replicated: lost,
			target: aNode, failure: resets,
			Fails: "Compute Engine resets one node's machine, as its reset button would", Undo: "it boots by itself",
		},
		{
			Name: "clients-cut-off", Title: "a master is cut off from clients", Cause: partition, Expected: noAPI, Replicated: tolerates,
			target: aMaster, failure: "clients", API: true,
			Fails: "what comes to port 443 of one master from other machines is dropped", Undo: "it is let in again",
		},
		{
			Name: "disk-full", Title: "the data disk of a master is full", Cause: storage, Expected: noAPI, Replicated: recovers,
			target: aMaster, failure: "disk-full", Rings: both, API: true, Named: true,
			Fails: "a file fills the data disk of one master", Undo: "the file is removed",
		},
		{
			Name: "clock-off", Title: "the clock of a master is off", Cause: operator, Expected: []string{"etc"}, Replicated: recovers,
			target: aMaster, failure: "clock", Named: true,
			Fails: "the clock of one master is put five minutes ahead", Undo: "it is set right",
		},
		{
			Name: "disk-lost", Title: "the data disk of a master is lost", Cause: storage, Expected: gone, Replicated: recovers,
			target: aMaster, failure: "disk-lost", Rings: both, API: true, Named: true,
			Fails: "the data disk of one master is unmounted, and both its etcds are killed", Undo: "it is mounted again with all that is on it, and systemd starts them",
		},
		{
			Name: "disk-slow", Title: "the data disk of a master is slow", Cause: storage, Expected: unchanged, Replicated: unchanged,
			target: aMaster, failure: "disk-slow",
			Fails: "what both etcds of one master write comes to its data disk at 128 kB a second", Undo: "they may write again as they can",
		},
		{
			Name: "zone-cut-off", Title: "a zone is cut off from the others", Cause: partition, Expected: noAPI, Replicated: append(slices.Clone(tolerates), recovers...),
			target: aZone, failure: others, Rings: both, API: true, NotReady: true, Moves: true, Named: true,
			Fails: "what goes between the machines of one zone and those of the others is dropped", Undo: "it is let through again",
		},
		{
			Name: "namespace-deleted", Title: "an operator deletes a namespace", Cause: operator, Expected: mistake, Replicated: mistake,
			target: aThing, failure: deletes,
			Fails: "a namespace of the drill's own is deleted, with what is in it", Undo: "nothing brings it back but a backup",
		},
	}
}

// ofKept is the scenario of a master that is halted and has a group of its own: it may be back
// before anybody has found out that it was gone.
func (s Scenario) ofKept() Scenario {
	s.NotReady, s.Named, s.Undo = false, false, "its group makes the machine again"
	return s
}

// Named is the scenario of the name.
func Named(name string) (Scenario, bool) {
	all := Scenarios()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		return Scenario{}, false
	}
	return all[i], true
}

// Names are those of all.
func Names() (list []string) {
	for _, s := range Scenarios() {
		list = append(list, s.Name)
	}
	return list
}

// expected is what is expected of a cluster with so many masters.
func (s Scenario) expected(masters int) []string {
	if masters > 1 {
		return s.Replicated
	}
	return s.Expected
}
