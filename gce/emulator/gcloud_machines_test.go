package emulator

import (
	"encoding/json"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestGcloudImages makes an image of a disk, and a machine of the image.
func TestGcloudImages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	w.subnet()
	const with = " --subnet=s --no-scopes --no-service-account "
	g.do("instances create m1" + with + "--machine-type=e2-custom-2-4096 --image-family=debian-12 --image-project=debian-cloud")
	g.refuses("images create img --source-disk=m1 --source-disk-zone=europe-west1-b", "already being used by 'projects/p/zones/europe-west1-b/instances/m1'")
	g.do("images create img --source-disk=m1 --source-disk-zone=europe-west1-b --family=ours --force")
	g.prints("images list --no-standard-images --format=value(name,family,status)", "img ours READY")
	g.prints("images describe-from-family ours --format=value(name,diskSizeGb)", "img 10")
	g.do("instances create m2" + with + "--machine-type=e2-small --image-family=ours")
	g.prints("disks describe m2 --format=value(sourceImage.basename())", "img")
	g.refuses("instances create m3"+with+"--machine-type=n1-standard-1 --image-family=ours --zone=europe-west8-a", "Machine type with name 'n1-standard-1' does not exist in zone 'europe-west8-a'.")
	g.do("images delete img")
}

// TestGcloudMachines does with gcloud what operators do to machines and disks.
func TestGcloudMachines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	w.subnet()
	const with = " --subnet=s --image-family=debian-12 --image-project=debian-cloud --no-scopes --no-service-account "
	g.do("instances create m1" + with + "--machine-type=n1-standard-2 --metadata=enable-guest-attributes=TRUE --tags=a,b --labels=role=master")
	g.do("instances create m2" + with + "--machine-type=n1-standard-1 --zone=europe-west1-c --preemptible --no-address")
	g.do("instances create m3" + with + "--machine-type=e2-small --boot-disk-size=30GB")

	// Ways to list.
	g.prints("instances list --format=value(name,status) --filter=zone:europe-west1-b --sort-by=~name", "m3 RUNNING\nm1 RUNNING")
	g.prints("instances list --zones=europe-west1-c '--format=table(name,scheduling.preemptible:label=P,zone.basename())'", "NAME P ZONE\nm2 true europe-west1-c")
	g.prints("instances list --limit=1 --format=csv(name,labels.role)", "name,role\nm1,master")
	g.prints("instances list '--filter=name~^m[12]$ AND status=RUNNING' --uri", "https://www.googleapis.com/compute/v1/"+zoneB+"instances/m1\nhttps://www.googleapis.com/compute/v1/projects/p/zones/europe-west1-c/instances/m2")
	var all []doc.Obj
	if err := json.Unmarshal([]byte(g.do("instances list --format=json --filter=labels.role=master")), &all); err != nil || len(all) != 1 || doc.Str(all[0], "kind") != "compute#instance" {
		t.Errorf("as JSON: %v %v", all, err)
	}
	g.shows("instances describe m1 --format=yaml", "name: m1", "status: RUNNING", "kind: compute#instance", "- a", "role: master", "deletionProtection: false")
	g.prints("instances describe m1 --format=value(networkInterfaces[0].networkIP)", doc.Str(w.nic0("m1"), "networkIP"))
	g.refuses("instances describe m9", "The resource 'projects/p/zones/europe-west1-b/instances/m9' was not found")

	// Their life.
	g.do("instances add-metadata m1 --metadata=a=b,enable-guest-attributes=TRUE")
	g.prints("instances describe m1 --format=value(metadata.items.extract(key).flatten())", "a,enable-guest-attributes")
	g.do("instances remove-metadata m1 --keys=a")
	g.do("instances add-tags m1 --tags=c")
	g.do("instances remove-tags m1 --tags=a")
	g.do("instances add-labels m1 --labels=x=y")
	g.prints("instances describe m1 --format=csv[no-heading](tags.items.list(),labels.list())", `"b,c","role=master,x=y"`)
	g.do("instances stop m1")
	g.prints("instances list --filter=status=TERMINATED --format=value(name,EXTERNAL_IP)", "m1")
	g.do("instances set-machine-type m1 --machine-type=n1-standard-4")
	g.do("instances start m1")
	starts := w.backend.starts
	g.do("instances reset m1")
	if w.backend.starts != starts+1 {
		t.Error("a reset does not start the machine again")
	}
	g.do("instances simulate-maintenance-event m2 --zone=europe-west1-c")
	for !w.s.atRest() {
		_ = w.s.core.Net.Apply(t.Context()) // until the preemption is through
	}
	g.prints("instances list --filter=scheduling.preemptible=true --format=value(name,status)", "m2 TERMINATED")
	g.prints("instances get-serial-port-output m1", "booting m1")
	if err := w.guest("m1").PutGuestAttribute("hostkeys", "ssh-ed25519", "AAAA"); err != nil {
		t.Fatal(err)
	}
	g.prints("instances get-guest-attributes m1", "NAMESPACE KEY VALUE\nhostkeys ssh-ed25519 AAAA")
	g.prints("instances get-guest-attributes m1 --query-path=hostkeys/ssh-ed25519 --format=value(value)", "AAAA")
	g.refuses("instances get-guest-attributes m3", "Guest attributes endpoint access is disabled")
	g.do("instances update m1 --deletion-protection")
	g.refuses("instances delete m1", "is protected")
	g.do("instances update m1 --no-deletion-protection")
	g.shows("instances describe m1 --format=yaml", "deletionProtection: false")

	// Disks and snapshots.
	g.do("disks create d1 d2 --size=20GB --type=pd-ssd")
	g.prints("disks list --filter=name~^d --sort-by=name", "NAME LOCATION LOCATION_SCOPE SIZE_GB TYPE STATUS\nd1 europe-west1-b zone 20 pd-ssd READY\nd2 europe-west1-b zone 20 pd-ssd READY")
	g.do("disks add-labels d1 --labels=a=b")
	g.do("disks snapshot d1 --snapshot-names=s1")
	g.do("snapshots create s2 --source-disk=d2 --source-disk-zone=europe-west1-b")
	g.prints("snapshots list", "NAME DISK_SIZE_GB SRC_DISK STATUS\ns1 20 europe-west1-b/disks/d1 READY\ns2 20 europe-west1-b/disks/d2 READY")
	g.shows("snapshots describe s1", "name: s1", "diskSizeGb: '20'", "status: READY")
	g.do("disks create d3 --source-snapshot=s1")
	g.prints("disks describe d3 --format=value(sizeGb,sourceSnapshot.basename())", "20 s1")
	g.do("resource-policies create snapshot-schedule nightly --region=europe-west1 --start-time=04:00 --daily-schedule --max-retention-days=7")
	g.do("disks add-resource-policies d3 --resource-policies=nightly")
	g.prints("disks describe d3 --format=value(resourcePolicies.basename())", "nightly")
	g.prints("resource-policies list --format=value(name,region.basename(),status)", "nightly europe-west1 READY")
	g.shows("resource-policies describe nightly --region=europe-west1", "maxRetentionDays: 7", "startTime: 04:00")
	g.do("disks remove-resource-policies d3 --resource-policies=nightly")
	g.do("resource-policies delete nightly --region=europe-west1")
	g.do("snapshots delete s1 s2")
	g.do("instances attach-disk m1 --disk=d1 --device-name=more --mode=rw")
	g.prints("instances describe m1 --format=csv[no-heading](disks.deviceName.list(),disks.diskSizeGb.list())", `"persistent-disk-0,more","10,20"`)
	g.refuses("instances attach-disk m3 --disk=d1", "already being used by 'projects/p/zones/europe-west1-b/instances/m1'")
	g.do("disks resize d1 --size=30GB")
	g.prints("disks describe d1 --format=value(sizeGb,users.basename())", "30 m1")
	g.refuses("disks resize d1 --size=20GB", "New disk size '20' must be larger than existing size '30'.")
	g.do("disks update d1 --update-labels=c=d")
	g.do("disks update d1 --update-architecture=ARM64")
	g.prints("disks describe d1 --format=csv[no-heading](architecture,labels.list())", `ARM64,"a=b,c=d"`)
	g.do("instances detach-disk m1 --device-name=more")
	g.refuses("instances detach-disk m1 --disk=d1", "is not attached to instance")
	g.do("instances suspend m1")
	g.prints("instances describe m1 --format=value(status)", "SUSPENDED")
	g.refuses("instances suspend m2 --zone=europe-west1-c", "is not ready")
	g.do("instances resume m1")
	g.refuses("instances set-service-account m1 --service-account=a@b.c --scopes=compute-rw", "The instance must be stopped")
	g.do("instances set-service-account m2 --zone=europe-west1-c --service-account=a@b.c --scopes=compute-rw")
	g.prints("instances describe m2 --zone=europe-west1-c --format=value(serviceAccounts[0].email,serviceAccounts[0].scopes.list())", "a@b.c https://www.googleapis.com/auth/compute")
	g.do("instances set-service-account m2 --zone=europe-west1-c --no-service-account --no-scopes")
	g.prints("instances describe m2 --zone=europe-west1-c --format=value(serviceAccounts.len())", "0")
	g.do("disks delete d1 d2 d3")
	g.refuses("disks delete m1", "The disk resource 'projects/p/zones/europe-west1-b/disks/m1' is already being used by 'projects/p/zones/europe-west1-b/instances/m1'")
	g.do("instances set-disk-auto-delete m3 --disk=m3 --no-auto-delete")
	g.do("instances delete m3")
	g.prints("disks list --format=value(name,users.len()) --filter=name=m3", "m3 0")

	// What has been done.
	ops := g.do("operations list --zones=europe-west1-b --filter=operationType=createSnapshot --format=value(name,TYPE,status)")
	name, rest, _ := strings.Cut(ops, "\t")
	if !strings.HasPrefix(name, "operation-") || rest != "createSnapshot\tDONE\n" {
		t.Errorf("operations: %q", ops)
	}
	g.shows("operations describe "+name+" --zone=europe-west1-b", "operationType: createSnapshot", "status: DONE", "progress: 100")
	g.shows("operations list --filter=user=system --format=value(TYPE,targetLink.basename(),HTTP_STATUS)", "compute.instances.preempted m2 200")
}
