'use strict';
// Google's client for Node, as its samples use it (GoogleCloudPlatform/nodejs-docs-samples),
// over what is there.
const c = require('@google-cloud/compute');
// The client's own options for another endpoint: it knows no proxy.
const at = new URL(process.argv[2]);
const where = {apiEndpoint: at.hostname, port: Number(at.port), protocol: 'http'};
const project = 'acme-dev', zone = 'europe-west1-b', region = 'europe-west1';

async function check(what, f) {
  try {
    const got = await f();
    if (got === undefined || got === null || got === false) throw new Error(`it returned ${got}`);
    console.log('ok ' + what);
    return got;
  } catch (e) {
    console.log(`FAILED ${what}: ${String(e.message).replace(/\s+/g, ' ').slice(0, 500)}`);
  }
}

// done waits for an operation as the samples do.
async function done([response]) {
  let op = response.latestResponse;
  const at = op.zone ? [new c.ZoneOperationsClient(where), {zone: op.zone.split('/').pop()}]
    : op.region ? [new c.RegionOperationsClient(where), {region: op.region.split('/').pop()}] : [new c.GlobalOperationsClient(where), {}];
  while (op.status !== 'DONE') [op] = await at[0].wait({operation: op.name, project, ...at[1]});
  if (op.error && op.error.errors.length) throw new Error(op.error.errors[0].message);
  return true;
}

async function all(list) {
  const got = [];
  for await (const x of list) got.push(x);
  return got;
}

async function main() {
  const networks = new c.NetworksClient(where), subnets = new c.SubnetworksClient(where), firewalls = new c.FirewallsClient(where);
  const instances = new c.InstancesClient(where), disks = new c.DisksClient(where), addresses = new c.AddressesClient(where), images = new c.ImagesClient(where);
  const templates = new c.InstanceTemplatesClient(where), managers = new c.InstanceGroupManagersClient(where), groups = new c.InstanceGroupsClient(where);
  const checks = new c.RegionHealthChecksClient(where), services = new c.RegionBackendServicesClient(where), rules = new c.ForwardingRulesClient(where);
  const routes = new c.RoutesClient(where), snapshots = new c.SnapshotsClient(where), pools = new c.TargetPoolsClient(where);

  await check('zones', async () => (await all(new c.ZonesClient(where).listAsync({project}))).length > 3);
  await check('machine types', async () => (await all(new c.MachineTypesClient(where).listAsync({project, zone, maxResults: 5}))).length > 20);
  await check('default network', async () => (await networks.get({project, network: 'default'}))[0].autoCreateSubnetworks);
  await check('image family', async () => (await images.getFromFamily({project: 'debian-cloud', family: 'debian-12'}))[0].selfLink);

  await check('network', async () => done(await networks.insert({project, networkResource: {name: 'node', autoCreateSubnetworks: false}})));
  await check('subnetwork', async () => done(await subnets.insert({project, region, subnetworkResource: {name: 'node-sub', network: 'global/networks/node', ipCidrRange: '10.70.0.0/24'}})));
  await check('firewall', async () => done(await firewalls.insert({project, firewallResource: {
    name: 'node-fw', direction: 'INGRESS', allowed: [{IPProtocol: 'tcp', ports: ['80', '443']}], targetTags: ['web'], network: 'global/networks/default'}})));
  await check('patch firewall', async () => done(await firewalls.patch({project, firewall: 'node-fw', firewallResource: {name: 'node-fw', priority: 10}})));
  await check('firewalls', async () => (await all(firewalls.listAsync({project}))).some(f => f.name === 'node-fw' && f.priority === 10));
  await check('route', async () => done(await routes.insert({project, routeResource: {
    name: 'node-route', destRange: '192.168.6.0/24', network: 'global/networks/node', nextHopGateway: 'global/gateways/default-internet-gateway', priority: 100}})));
  await check('address', async () => done(await addresses.insert({project, region, addressResource: {name: 'node-ip'}})));
  await check('addresses', async () => (await all(addresses.listAsync({project, region}))).length === 1);

  const source = 'projects/debian-cloud/global/images/family/debian-12';
  await check('createInstance.js', async () => done(await instances.insert({project, zone, instanceResource: {
    name: 'node-vm', machineType: `zones/${zone}/machineTypes/n1-standard-1`,
    disks: [{initializeParams: {diskSizeGb: '10', sourceImage: source}, autoDelete: true, boot: true, type: 'PERSISTENT'}],
    networkInterfaces: [{name: 'global/networks/default'}]}})));
  await check('instance', async () => (await instances.get({project, zone, instance: 'node-vm'}))[0].status === 'RUNNING');
  await check('instances', async () => (await all(instances.listAsync({project, zone}))).length === 1);
  await check('listAllInstances.js', async () => {
    for await (const [at, in_] of instances.aggregatedListAsync({project, maxResults: 5})) {
      if (at === `zones/${zone}` && in_.instances && in_.instances.length) return true;
    }
  });
  await check('labels', async () => {
    const [i] = await instances.get({project, zone, instance: 'node-vm'});
    return done(await instances.setLabels({project, zone, instance: 'node-vm', instancesSetLabelsRequestResource: {labels: {team: 'x'}, labelFingerprint: i.labelFingerprint}}));
  });
  await check('metadata', async () => {
    const [i] = await instances.get({project, zone, instance: 'node-vm'});
    return done(await instances.setMetadata({project, zone, instance: 'node-vm', metadataResource: {items: [{key: 'a', value: 'b'}], fingerprint: i.metadata.fingerprint}}));
  });
  await check('deletion protection', async () => done(await instances.setDeletionProtection({project, zone, resource: 'node-vm', deletionProtection: false})));
  await check('stop', async () => done(await instances.stop({project, zone, instance: 'node-vm'})));
  await check('disk', async () => done(await disks.insert({project, zone, diskResource: {name: 'node-disk', sizeGb: 10, zone, type: `zones/${zone}/diskTypes/pd-ssd`}})));
  await check('attach disk', async () => done(await instances.attachDisk({project, zone, instance: 'node-vm', attachedDiskResource: {source: `zones/${zone}/disks/node-disk`, deviceName: 'data'}})));
  await check('detach disk', async () => done(await instances.detachDisk({project, zone, instance: 'node-vm', deviceName: 'data'})));
  await check('snapshot', async () => done(await snapshots.insert({project, snapshotResource: {name: 'node-snap', sourceDisk: `projects/${project}/zones/${zone}/disks/node-disk`}})));
  await check('start', async () => done(await instances.start({project, zone, instance: 'node-vm'})));
  await check('reset', async () => done(await instances.reset({project, zone, instance: 'node-vm'})));
  await check('serial output', async () => (await instances.getSerialPortOutput({project, zone, instance: 'node-vm'}))[0].kind);

  await check('createTemplate.js', async () => done(await templates.insert({project, instanceTemplateResource: {name: 'node-tmpl', properties: {
    disks: [{initializeParams: {diskSizeGb: '250', sourceImage: source}, autoDelete: true, boot: true}], machineType: 'n1-standard-1',
    networkInterfaces: [{name: 'global/networks/default', accessConfigs: [{name: 'External NAT', type: 'ONE_TO_ONE_NAT', networkTier: 'PREMIUM'}]}]}}})));
  await check('createInstanceFromTemplate.js', async () => done(await instances.insert({project, zone, instanceResource: {name: 'node-vm2'}, sourceInstanceTemplate: `projects/${project}/global/instanceTemplates/node-tmpl`})));
  await check('createInstanceFromTemplateWithOverrides.js', async () => {
    const [t] = await templates.get({project, instanceTemplate: 'node-tmpl'});
    return done(await instances.insert({project, zone, sourceInstanceTemplate: t.selfLink, instanceResource: {
      name: 'node-vm3', machineType: `zones/${zone}/machineTypes/n1-standard-2`, disks: [...t.properties.disks, {
        initializeParams: {diskSizeGb: '10', sourceImage: source}, autoDelete: true, boot: false, type: 'PERSISTENT'}]}}));
  });
  await check('managed group', async () => done(await managers.insert({project, zone, instanceGroupManagerResource: {name: 'node-mig', targetSize: 2, instanceTemplate: `projects/${project}/global/instanceTemplates/node-tmpl`}})));
  await check('managed instances', async () => (await all(managers.listManagedInstancesAsync({project, zone, instanceGroupManager: 'node-mig'}))).length === 2);
  await check('resize', async () => done(await managers.resize({project, zone, instanceGroupManager: 'node-mig', size: 1})));
  await check('instance group', async () => done(await groups.insert({project, zone, instanceGroupResource: {name: 'node-ig', namedPorts: [{name: 'http', port: 80}]}})));
  await check('members', async () => done(await groups.addInstances({project, zone, instanceGroup: 'node-ig', instanceGroupsAddInstancesRequestResource: {instances: [{instance: `zones/${zone}/instances/node-vm`}]}})));
  await check('list members', async () => (await all(groups.listInstancesAsync({project, zone, instanceGroup: 'node-ig', instanceGroupsListInstancesRequestResource: {}}))).length === 1);

  await check('health check', async () => done(await checks.insert({project, region, healthCheckResource: {name: 'node-hc', type: 'TCP', tcpHealthCheck: {port: 80}, checkIntervalSec: 5}})));
  await check('backend service', async () => done(await services.insert({project, region, backendServiceResource: {
    name: 'node-bs', protocol: 'TCP', loadBalancingScheme: 'EXTERNAL', healthChecks: [`regions/${region}/healthChecks/node-hc`], backends: [{group: `zones/${zone}/instanceGroups/node-ig`, balancingMode: 'CONNECTION'}]}})));
  await check('forwarding rule', async () => done(await rules.insert({project, region, forwardingRuleResource: {
    name: 'node-rule', IPProtocol: 'TCP', loadBalancingScheme: 'EXTERNAL', ports: ['80'], backendService: `regions/${region}/backendServices/node-bs`}})));
  await check('health', async () => (await services.getHealth({project, region, backendService: 'node-bs', resourceGroupReferenceResource: {group: `zones/${zone}/instanceGroups/node-ig`}}))[0].kind);
  await check('target pool', async () => done(await pools.insert({project, region, targetPoolResource: {name: 'node-pool'}})));

  await check('no rule', async () => done(await rules.delete({project, region, forwardingRule: 'node-rule'})));
  await check('no service', async () => done(await services.delete({project, region, backendService: 'node-bs'})));
  await check('no managed group', async () => done(await managers.delete({project, zone, instanceGroupManager: 'node-mig'})));
  await check('no instance', async () => done(await instances.delete({project, zone, instance: 'node-vm'})));
  await check('a missing one', async () => instances.get({project, zone, instance: 'none'}).then(() => false, e => e.code === 404));
}

main().catch(e => { console.log('FAILED ' + e.stack); process.exitCode = 1; });
