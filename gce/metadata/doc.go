// Package metadata is what one machine sees at 169.254.169.254: Google's
// metadata server, version v1, over a [View] that the caller keeps. The same
// [Handler] serves real machines (from inside their network), model machines
// and tests.
//
// What it answers follows Google's documentation, the guest agent's and the
// Go client library's sources, and recorded answers of real machines. Known
// differences, all on purpose:
//
//   - There are no identity tokens: asking for one is answered 404 and says so. Access
//     tokens are what [Source.Token] gives, and wake no long poll: a wait for one is
//     answered at once.
//   - An ETag is a digest of the answer, so it survives a restart of the
//     server and a machine's long poll is never answered for nothing.
//   - Guest attributes show up only below instance/guest-attributes/ and not
//     in a recursive listing of its parents (there they are {} on real
//     machines too), so writing one does not wake whoever polls the whole tree.
//   - v1beta1 and 0.1 are gone, as they are at Google.
//
// The package imports the standard library only.
package metadata
