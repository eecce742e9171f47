"""Apache Libcloud's driver of Compute Engine, method by method, over what is there."""
import sys
import traceback

from libcloud.compute.providers import get_driver
from libcloud.compute.types import Provider

import json

account = sys.argv[1]
email = json.load(open(account))["client_email"]
driver = get_driver(Provider.GCE)(email, account, datacenter="europe-west1-b", project="acme-dev",
                                  auth_type="SA", credential_file=account + ".token")


def check(what, f):
    try:
        got = f()
        if got is None or got is False:
            raise AssertionError("it returned %r" % (got,))
        print("ok " + what)
        return got
    except Exception as e:
        print("FAILED %s: %s" % (what, " ".join(str(e).split())[:500]))
        traceback.print_exc()


def names(things):
    return sorted(x.name for x in things)


check("list zones", lambda: len(driver.ex_list_zones()) > 3)
check("list regions", lambda: len(driver.ex_list_regions()) > 3)
check("list sizes", lambda: driver.list_sizes("europe-west1-b"))
check("get size", lambda: driver.ex_get_size("n1-standard-1").ram)
check("project", lambda: driver.ex_get_project().name == "acme-dev")
check("default network", lambda: driver.ex_get_network("default").mode == "auto")
check("default rules", lambda: "default-allow-ssh" in names(driver.ex_list_firewalls()))
image = check("image from family", lambda: driver.ex_get_image_from_family("debian-12", ex_project_list=["debian-cloud"]))

check("network", lambda: driver.ex_create_network("lib", None, mode="custom"))
check("subnetwork", lambda: driver.ex_create_subnetwork("libsub", "10.50.0.0/24", "lib", "europe-west1"))
check("list subnetworks", lambda: "libsub" in names(driver.ex_list_subnetworks("europe-west1")))
check("firewall", lambda: driver.ex_create_firewall("lib-ssh", [{"IPProtocol": "tcp", "ports": ["22"]}], network="lib", source_tags=["a"]))
check("route by gateway", lambda: driver.ex_create_route("lib-out", "192.168.6.0/24", network="lib"))
address = check("address", lambda: driver.ex_create_address("lib-ip", "europe-west1"))

node = check("node", lambda: driver.create_node("lib-1", "n1-standard-1", image, location="europe-west1-b",
                                                 ex_network="default", ex_metadata={"items": [{"key": "k", "value": "v"}]},
                                                 ex_tags=["web"], external_ip="ephemeral"))
check("list nodes", lambda: "lib-1" in names(driver.list_nodes("europe-west1-b")))
check("list all nodes", lambda: "lib-1" in names(driver.list_nodes("all")))
check("node by name", lambda: driver.ex_get_node("lib-1").extra["status"] == "RUNNING")
check("tags", lambda: driver.ex_set_node_tags(driver.ex_get_node("lib-1"), ["web", "db"]))
check("metadata", lambda: driver.ex_set_node_metadata(driver.ex_get_node("lib-1"), {"a": "b"}))
check("labels", lambda: driver.ex_set_node_labels(driver.ex_get_node("lib-1"), {"team": "x"}))
check("serial output", lambda: driver.ex_get_serial_output(driver.ex_get_node("lib-1")) is not None)
check("reboot", lambda: driver.reboot_node(driver.ex_get_node("lib-1")))
volume = check("volume", lambda: driver.create_volume("10", "lib-data", location="europe-west1-b"))
check("list volumes", lambda: "lib-data" in names(driver.list_volumes()))
snapshot = check("snapshot", lambda: driver.create_volume_snapshot(driver.ex_get_volume("lib-data"), "lib-snap"))
check("list snapshots", lambda: "lib-snap" in names(driver.ex_list_snapshots()))
check("stop", lambda: driver.ex_stop_node(driver.ex_get_node("lib-1")))
check("attach volume", lambda: driver.attach_volume(driver.ex_get_node("lib-1"), volume))
check("detach volume", lambda: driver.detach_volume(driver.ex_get_volume("lib-data"), driver.ex_get_node("lib-1")))
check("machine type", lambda: driver.ex_set_machine_type(driver.ex_get_node("lib-1"), "n1-standard-2"))
check("start", lambda: driver.ex_start_node(driver.ex_get_node("lib-1")))

check("instance group", lambda: driver.ex_create_instancegroup("lib-ig", "europe-west1-b", network=driver.ex_get_network("default")))
check("group's member", lambda: driver.ex_instancegroup_add_instances(driver.ex_get_instancegroup("lib-ig"), [driver.ex_get_node("lib-1")]))
check("group's members", lambda: names(driver.ex_instancegroup_list_instances(driver.ex_get_instancegroup("lib-ig"))) == ["lib-1"])
check("named ports", lambda: driver.ex_instancegroup_set_named_ports(driver.ex_get_instancegroup("lib-ig"), [{"name": "http", "port": 80}]))
template = check("template", lambda: driver.ex_create_instancetemplate("lib-tmpl", "n1-standard-1", image=image))
check("managed group", lambda: driver.ex_create_instancegroupmanager("lib-mig", "europe-west1-b", driver.ex_get_instancetemplate("lib-tmpl"), 2))
manager = check("managed group by name", lambda: driver.ex_get_instancegroupmanager("lib-mig", "europe-west1-b"))
check("managed members", lambda: manager.list_managed_instances())
check("resize", lambda: manager.resize(1))

check("legacy health check", lambda: driver.ex_create_healthcheck("lib-hc", interval=10))
check("target pool", lambda: driver.ex_create_targetpool("lib-pool", "europe-west1", healthchecks=["lib-hc"]))
check("pool's node", lambda: driver.ex_targetpool_add_node(driver.ex_get_targetpool("lib-pool"), driver.ex_get_node("lib-1")))
check("forwarding rule", lambda: driver.ex_create_forwarding_rule("lib-rule", driver.ex_get_targetpool("lib-pool"), region="europe-west1", port_range="80-80"))
check("list rules", lambda: "lib-rule" in names(driver.ex_list_forwarding_rules("europe-west1")))

check("remove rule", lambda: driver.ex_destroy_forwarding_rule(driver.ex_get_forwarding_rule("lib-rule")))
check("remove pool", lambda: driver.ex_destroy_targetpool(driver.ex_get_targetpool("lib-pool")))
check("remove health check", lambda: driver.ex_destroy_healthcheck(driver.ex_get_healthcheck("lib-hc")))
check("remove managed group", lambda: driver.ex_destroy_instancegroupmanager(manager))
check("remove template", lambda: driver.ex_destroy_instancetemplate(driver.ex_get_instancetemplate("lib-tmpl")))
check("remove group", lambda: driver.ex_destroy_instancegroup(driver.ex_get_instancegroup("lib-ig")))
check("remove node", lambda: driver.destroy_node(driver.ex_get_node("lib-1")))
check("remove volume", lambda: driver.destroy_volume(driver.ex_get_volume("lib-data")))
check("remove snapshot", lambda: driver.destroy_volume_snapshot(driver.ex_get_snapshot("lib-snap")))
check("remove address", lambda: driver.ex_destroy_address(driver.ex_get_address("lib-ip", "europe-west1")))
check("remove route", lambda: driver.ex_destroy_route(driver.ex_get_route("lib-out")))
check("remove firewall", lambda: driver.ex_destroy_firewall(driver.ex_get_firewall("lib-ssh")))
check("remove subnetwork", lambda: driver.ex_destroy_subnetwork("libsub", "europe-west1"))
check("remove network", lambda: driver.ex_destroy_network(driver.ex_get_network("lib")))
