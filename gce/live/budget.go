package live

import "fmt"

// What Google's list said, in US dollars, for us-central1; other regions take up to a
// third more. (https://cloud.google.com/compute/all-pricing)
const (
	pricesOf     = "June 2024"
	machineHour  = 0.0168      // an e2-small
	diskHour     = 0.10 / 730  // a GB of a balanced disk
	addressHour  = 0.005       // an external address in use
	ruleHour     = 0.025       // up to five forwarding rules
	machinesMost = 4 + 2       // at once: the cluster's and the suite's
	diskMost     = 6*20 + 2*20 // GB
	rulesMost    = 2
)

// Budget is what a run makes and what that is by Google's list, in lines.
func Budget(project, zone string) string {
	perHour := machinesMost*machineHour + diskMost*diskHour + (machinesMost+1)*addressHour + rulesMost*ruleHour
	return fmt.Sprintf(`in project %s, zone %s and another one of its region, for about ten minutes, and for an hour at most:
  a cluster of up to 4 machines and a conformance suite of up to 2, each an e2-small with a disk of 20 GB or less and an external address
  2 data disks of 20 GB, 1 reserved address, %d forwarding rules, their networks, firewall rules, groups and health checks
that is %.2f US dollars an hour by Google's list of %s for us-central1, so about %.2f, and %.2f at most; other regions take up to a third more.
All of it is taken down at the end, however the run ends. Everything has a name that begins with %s or %s`,
		project, zone, rulesMost, perHour, pricesOf, perHour/6, perHour, prefix, suitePrefix)
}
