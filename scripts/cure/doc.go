// Package cure holds every command that hakube ever tells a person to type: in
// a hint, in status, in an error, in help. A command is a value, so that what is
// missing in it can be added where that is known (cmd/hakube: which project, which
// kubeconfig, what the person had set), and a catalogue, so that a test can run
// each of them. It knows texts only and imports nothing of hakube's.
//
//   - command.go: what a command is, as a shell takes it and back.
//   - hakube.go, gcloud.go: the catalogue. A test fails when another package spells
//     a command in a string.
//   - hint.go: words and the commands they are about, as one text.
package cure
