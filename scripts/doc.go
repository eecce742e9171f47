// Package scripts is hakube's third program, beside the client and the embedded
// GCE: the bash that runs on the machines. It is the same text on Google's
// machines and on the embedded ones, and nothing in it knows which it is on.
//
// startup/*.sh, one subject each, are joined by [Startup] into the one
// startup-script of masters and nodes. The other *.sh are sent over ssh, some of
// them behind the same functions (replica.go).
// keys.go names every metadata key they read, README.md says for each download
// where it comes from and how it is verified.
//
// It imports only the standard library.
package scripts
