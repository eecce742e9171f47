package main

// keyTexts are what keys mean. A key means the same wherever it is.
var keyTexts = map[string]string{
	"schema": "number of this schema",
	"type":   "what the object is: a command for a result, else step, note, warning, error, hint, interrupting, interrupted, leftover or perhaps",
	"time":   "when it was printed, in UTC",

	// Steps.
	"n":       "number of the step, from 1",
	"of":      "how many steps there are",
	"step":    "name of the step, for people",
	"event":   "looking, making, removing or waiting, then kept, made, removed or failed; in a plan would make, would remove, would wait or kept",
	"why":     "the reason, for people",
	"elapsed": "seconds since the step began",
	"kind":    "of the object: instance, disk, firewall, …",
	"name":    "of the object; of a pool: HAKUBE_POOL, null of the one without",
	"pool":    "HAKUBE_POOL, null of the one without a name",
	"zone":    "where it is",
	"region":  "where it is, of what is regional",
	"action":  "look, make, remove, wait or keep",
	"state":   "of a step: running, done, failed or planned. Of a master: ready, starting, joining, stopped, failed, not ready, unreachable or gone. Of the embedded GCE: running or stopped",

	// What is said.
	"note": "good to know", "warning": "something that is not as one may think", "error": "why the command ends", "hint": "what to do about it",
	"interrupting": "what is finished before it ends", "interrupted": "how far it came", "commands": "whole commands that help, to be run as they are", "code": "exit code that the command ends with", "leftover": "what the cluster left in the cloud", "perhaps": "what may be another's, and stays",

	// Results of up, down and repair.
	"actions": "the steps that changed something, or failed, in the order they ended: what was made, what went",
	"nothing": "whether there was nothing to do", "address": "of the API, or of a balancer", "url": "of the API", "context": "of the cluster in kubeconfig", "kubeconfig": "the file",
	"rotated": "masters of which something was made anew: certificates, their authority, or a key; of a join token the groups of nodes that have it", "rotations": "masters, of a join token groups of nodes, that a rotation is of: those of which something would be made anew, with what, and those that have been through it by now, without", "rolled": "masters whose machines were made again", "rolledPools": "pools whose nodes were", "poolRolls": "pools that a roll is of: those whose nodes would be made again, with why, and those whose would stay, without", "rolls": "masters that a roll is of: those that would be made again, with why, and those that would stay, without",
	"version": "of Kubernetes; of a master its kubelet's, of an addon its own", "versions": "of Kubernetes, the oldest first: what the pool's nodes run, or machines of the embedded GCE can be made of", "mode": "what was done: create, add pool, add replica, remove cluster, remove pool, remove replica, repair, restore, roll, rotate, span zones, upgrade", "replica": "the master that was added or removed",
	"repaired": "masters that were brought back, or have the data of a backup", "givenUp": "masters that were not", "dark": "what probes of the API saw meanwhile", "outages": "the same by step",
	"warnings": "what a person should know", "evidence": "what was seen of the cluster at the end", "left": "what still carries the cluster's mark", "leftovers": "what the cluster left in the cloud",
	"longest": "seconds that the API was dark at a stretch", "total": "seconds that it was dark", "probes": "how many", "failed": "how many of them failed",
	"nodes": "machines of Kubernetes; of a pool: how many are to stay; of smaller: the names of those that go, or went, empty when the cluster could not be asked which", "rings": "etcd's, main and events", "readyz": "the API's own word", "coredns": "pods that are ready",
	"master": "whether it is one; of a backup: who made it", "ready": "whether it is Ready; of a pool: how many are",
	"id": "etcd's number of the member", "learner": "whether it has no vote", "index": "of the newest raft entry it has applied", "bytes": "what it has on disk", "members": "of the ring",
	"alarms": "etcd's, such as NOSPACE, and whose they are", "writes": "why a write is refused, empty when one is taken",
	"inUse": "bytes of the database that hold something", "quota": "bytes that the database may have",
	"leader": "of the ring; of a member: whether it leads", "healthy": "whether it works", "revision": "of the newest change", "peerURLs": "where other members reach it",

	"surplus": "what is more than an up of the whole cluster named, and stays without HAKUBE_PRUNE", "crossings": "what goes from zone to zone once it is done",
	"smaller": "the pool that NUM_NODES makes smaller, or made; null when none is, or several are",
	"reduced": "all pools that are, or were, made smaller, of several zones in an up of all zones", "from": "how many nodes it has, or had", "to": "how many are to stay",

	// Plans.
	"changes": "how many steps there would be to do", "steps": "all of them",

	// Status and validate.
	"cluster": "its name", "project": "Google's, or the embedded GCE's", "masters": "the first-born first; of survives: how many more may be lost", "pools": "of nodes, by zone",
	"node": "its Node: Ready, NotReady, none or unknown", "group": "who looks after its machine: watches, its own managed group makes it again; idle, that is told to leave it alone; none", "leaving": "machines that are being removed", "least": "nodes that the cluster autoscaler leaves the pool; null where it does not size it", "most": "nodes that it gives it", "ip": "the reserved address", "addons": "what was asked to run beside Kubernetes; empty where nobody ever had any", "holder": "who has it: a machine, balancer or nobody",
	"balancer": "null when there is none", "backends": "masters that it sends to", "quorum": "by ring", "survives": "what both rings can lose and go on", "zones": "any one of them may be lost",
	"run": "the run that has the lease", "by": "who it is", "alive": "whether it is at work; of quorum: voters that live", "unfinished": "what a cut run left",
	"command": "what ends it", "or": "what takes it back instead", "member": "the master it is on", "voter": "whether it has a vote", "behind": "entries it is behind the leader",
	"voters": "how many", "need": "how many must live", "valid": "whether all is as it should be", "problems": "why it is not", "status": "what was seen",
	"certificates": "what masters show to others, the first to end first", "ends": "the last moment at which it is taken", "place": "zone or region; of backups the directory or bucket", "owner": "the Service or volume it was made for", "size": "of a disk or a snapshot", "class": "type of a disk, such as pd-balanced", "billed": "what Google asks money for as long as it is there, \"\" if it is free", "network": "the cluster's, which cannot go before this",

	// Drills. Times are seconds after the failure.
	"passed": "whether all was as expected", "drills": "those that were made", "skipped": "drills that were not made", "drill": "its name", "title": "what fails, for people", "since": "when it began",
	"on": "the machine, the zone or the namespace that failed", "cause": "root cause, in the words of Kubernetes' document about availability", "expected": "what that expects", "arithmetic": "what was left, counted before",
	"failure": "what was done", "undo": "what took it back", "checks": "expectations, and what was seen", "what": "of what", "want": "what was expected", "got": "what was seen",
	"marks": "moments", "at": "second", "seconds": "requests to the API by second", "acknowledged": "writes that were", "reads": "that were answered", "answered": "requests that were",
	"said": "what validate said meanwhile", "notReady": "when its Node was found out", "answers": "when the last request that failed had ended", "undone": "when it was taken back", "whole": "when the cluster was valid again", "stall": "seconds without an acknowledged write at most", "workload": "two pods of the drill behind a Service; null where none could run", "names": "what the cluster's DNS was asked for; null where nobody could ask it", "asked": "how often", "lost": "how often nobody answered",

	// The operator's credentials.
	"file": "of the kubeconfig that has them; of a backup: where it is", "server": "where kubectl finds the API", "user": "whom the API takes the operator for", "until": "when the certificate ends",

	// Backups.
	"snapshots": "of masters' data disks, by HAKUBE_DISK_SNAPSHOTS; null where there are to be none", "schedule": "hourly or daily", "kept": "how many there are",
	"backup": "the newest verified one where HAKUBE_BACKUP_TO says that backups are; null where nothing says so", "newest": "null: there is none",
	"every": "how often masters make one there by themselves, such as 15m; empty where they do not", "attempts": "what masters said last of those",
	"thinned": "those that --thin removed",
	"backups": "what is there, the newest first", "where": "file or object", "madeAt": "when it was", "age": "in seconds", "main": "revision of ring main", "events": "revision of ring events", "verified": "it was restored for a try when it was made, and its parts are there",
	"made": "when it was, in seconds since 1970", "etcd": "its version", "settings": "of the cluster, by variable",
	"hash": "of the snapshot's database", "hashKV": "of keys and their history, the same as the ring's at that revision", "keys": "how many", "prefixes": "how many keys, by what they begin with", "format": "of the backup",

	// The embedded GCE, and hakube.
	"running": "whether it runs", "endpoint": "of its Compute Engine API", "machines": "real or model", "latency": "none or gce", "calls": "since its start", "read": "calls that only read",
	"change": "calls that change something", "objects": "how many it holds, by collection", "mirror": "where its machines fetch from", "moved": "the address it had before, when it could not have that again", "projects": "that have something in it", "pid": "its process", "dir": "where its state is",
	"hakube": "its version", "kubernetes": "the version of clusters", "go": "what it was built with", "platform": "what it was built for",
}
