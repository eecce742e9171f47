// Package emulator is the Compute Engine v1 API over objects of its own: the
// API half of the embedded GCE. It runs on any operating system; what a
// machine or a network does is behind the [Backend] it is given.
//
// It must not import package gce, so that client and server cannot share a
// mistake.
//
// This package is the face; what is behind it is in packages of one subject each,
// which use only what is below them:
//
//	backend                    what is wanted of machines, disks and the network behind the API
//	internal/doc, problem      documents, refs and places; errors in the API's words
//	internal/store             documents in memory and in a file, changed by transactions
//	internal/discovery, filter Google's description of the API; what lists are asked for
//	internal/beta              compute/beta in terms of compute/v1
//	internal/missing           what of a method's requests is not written
//	internal/api               method table, lists, changes, operations and their jobs
//	internal/web               requests over the network, batches, faults
//	internal/identity          labels, tags, metadata
//	internal/access            who may do what: service accounts, their tokens, roles, policies
//	internal/catalog, projects what exists everywhere; projects, regions, quotas, stock
//	internal/members           who is in which group and reached by which balancer; it only reads
//	internal/networks          networks, subnetworks, routes, firewalls, addresses
//	internal/balancers         rules, services, checks, target pools, instance groups
//	internal/disks, machine    disks, snapshots and their schedules; an instance as host and guest see it
//	internal/storage           Cloud Storage: buckets, their policies, objects
//	internal/instances         instances, templates, and the life of their machines
//	internal/groups            managed groups, and the reconciler that keeps their size
//
// cluster/deps_test.go has the walls between them with their reasons, and TestKnots
// keeps the files of each apart.
//
// How a request goes: web keeps web pages out, the discovery document finds the
// method and checks path, query and body (api, dispatch.go), and the collection's
// handler does the rest. Reading is looking at documents in memory. Changing is one
// transaction that checks, makes what takes hold at once, and keeps an operation
// with its job (api, operation.go); then the job's work runs in the background, asks
// the backend, and ends the operation (api, work.go). Jobs are on disk until they
// are done, their works can be repeated from the start, and the next process takes
// them up, so a killed one loses nothing it had answered.
//
// To add a collection, write a file with its functions in the package of its
// subject and name it in that package's Collections; get, list and aggregatedList
// come by themselves. A method in the discovery document without a handler is refused
// as not written, and so is a field whose meaning nothing behind the API would
// follow (the collection's Lacks): what is accepted is done, but for the one
// exception below.
//
// The store holds each object as the JSON document that is answered, under its
// path. Paths that start with "~" are notes of the server's own: jobs, request ids,
// guest attributes, members of managed groups, forwarding rules that are not there
// yet, machines whose connections drain, and where the search for a free address
// goes on. A key that a document is read by is one of the API's, or in the list of
// our own (TestKeys).
//
// Where Google's documents are silent, the choice here is: a network in use is
// told by the operation, all other things in use at once; labels, metadata and
// tags are compared and swapped when the request is accepted; an address stays
// in use until the deleteAccessConfig is done; a forwarding rule takes its
// address at once, and traffic comes when its operation is done; a machine
// taken out of a group keeps the balancer's address while its connections
// drain, and one that was deleted leaves its groups; a machine of a managed group
// that ends is made anew under its name; a deleted machine stays listed in
// target pools and as the next hop of routes.
//
// SEMANTICS.md lists what each resource may not do, where each rule is from and
// which test breaks it, and what is not written.
//
// One thing is accepted that nothing behind the API follows, because clusters leave it
// behind and somebody has to find and remove it: routes to instances.
package emulator
