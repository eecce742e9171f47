package cure

import (
	"slices"
	"strings"
)

// Commands of gcloud's. Those on Compute Engine and Cloud Storage get their project where they are
// shown, and on the embedded GCE what points gcloud at it.

func compute(args ...string) Command {
	return command(append([]string{"gcloud", "compute"}, args...)...)
}

// Compute is a command on what is in the way of hakube, and is not hakube's: the
// words after gcloud compute, none of which has a blank in it, and whole arguments.
func Compute(words string, more ...string) Command {
	return compute(append(strings.Fields(words), more...)...)
}

// Unprotect switches off what keeps a machine from being deleted.
func Unprotect(machine, inZone string) Command {
	return compute("instances", "update", machine, "--zone="+inZone, "--no-deletion-protection")
}

// Describe shows an object: gcloud's words for its kind, its name, and --zone or
// --region if it is in one.
func Describe(kind []string, name string, place ...string) Command {
	return compute(slices.Concat(kind, []string{"describe", name}, place)...)
}

// Console is what a machine wrote to its serial console.
func Console(machine, inZone string) Command {
	return compute("instances", "get-serial-port-output", machine, "--zone="+inZone)
}

// HostKeys are those a machine told the metadata server.
func HostKeys(machine, inZone string) Command {
	return compute("instances", "get-guest-attributes", machine, "--zone="+inZone, "--query-path=hostkeys/")
}

// Resume lets a suspended machine go on.
func Resume(machine, inZone string) Command {
	return compute("instances", "resume", machine, "--zone="+inZone)
}

// DeleteMachine deletes a machine and leaves its data disk.
func DeleteMachine(machine, inZone string) Command {
	return compute("instances", "delete", machine, "--zone="+inZone, "--keep-disks=data")
}

// KeepDisk makes a snapshot of a disk.
func KeepDisk(disk, inZone string) Command {
	return compute("disks", "snapshot", disk, "--zone="+inZone, "--snapshot-names="+disk+"-kept")
}

// DeleteDisk deletes a disk.
func DeleteDisk(disk, inZone string) Command {
	return compute("disks", "delete", disk, "--zone="+inZone)
}

// Login has Google's client libraries act as a person.
func Login() Command { return command("gcloud", "auth", "application-default", "login") }

// Projects lists the projects there are.
func Projects() Command { return command("gcloud", "projects", "list") }

// EnableService switches on one of Google's APIs.
func EnableService(service, project string) Command {
	return command("gcloud", "services", "enable", service, "--project="+project)
}

// Grants lists who has which role in a project.
func Grants(project string) Command { return command("gcloud", "projects", "get-iam-policy", project) }

// AccountGrants lists who may do what with a service account.
func AccountGrants(email string) Command {
	return command("gcloud", "iam", "service-accounts", "get-iam-policy", email)
}

// ServiceAccounts lists those of a project.
func ServiceAccounts(project string) Command {
	return command("gcloud", "iam", "service-accounts", "list", "--project="+project)
}

// Grant gives a service account a role in a project.
func Grant(project, email, role string) Command {
	return command("gcloud", "projects", "add-iam-policy-binding", project, "--member=serviceAccount:"+email, "--role="+role)
}

// MakeBucket makes a bucket of Cloud Storage that no object of is anybody's but by roles.
func MakeBucket(name, location string) Command {
	return command("gcloud", "storage", "buckets", "create", "gs://"+name, "--location="+location, "--uniform-bucket-level-access")
}

// GrantOnBucket gives somebody a role on a bucket.
func GrantOnBucket(name, member, role string) Command {
	return command("gcloud", "storage", "buckets", "add-iam-policy-binding", "gs://"+name, "--member="+member, "--role="+role)
}

// Secret takes a file from the eyes of others.
func Secret(path string) Command { return command("chmod", "600", path) }

// Private takes a directory from the hands of others.
func Private(dir string) Command { return command("chmod", "700", dir) }
