// Package access is who may do what: service accounts and the tokens that machines
// get for theirs, the policy of a project, which roles there are, and what each method
// takes.
//
// The operator, who has the embedded GCE itself, is refused nothing. A call with a
// token of a machine is limited twice, as at Google: by what the token was given for
// (scopes), and by what the roles of its service account permit. A policy is a project's or a service
// account's; those of single disks, images and instances are not written.
package access
