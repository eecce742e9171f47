// Package vpc is the network behind the embedded GCE: one Linux network
// namespace that is all VPC networks, a veth from it to each machine, and one
// to the host.
//
// What decides about packets is a pure function of [emulator.Network]: the
// route table of the namespace, and one nftables table that is replaced in one
// transaction. Every packet of every connection is judged by the present
// rules, both directions alike, so taking a rule or an external address away
// cuts connections that are open; nothing is remembered but address
// translation, and that only as long as the addresses still fit.
//
//	machine netns hakube-<id>        netns hakube-vpc                      host
//	eth0 10.40.0.2/32  ──────────  v<id>  gateway 10.40.0.1/32
//	eth0 10.40.0.3/32  ──────────  v<id>  gateway 10.40.0.1/32
//	                               lo     169.254.169.254 metadata, DNS
//	                               lo     169.254.169.252 mirror
//	                               host0  198.18.172.2  ──────────  hakube0 198.18.172.1
//
// As on Google: firewall rules by tag, range and priority, ingress denied and
// egress allowed without a rule; an external address is translated 1:1, also
// between machines (the source becomes the caller's own external address) and
// from a machine to itself; alias ranges are routed to their machine and have
// no external address; a machine sends only from its own addresses, whatever
// canIpForward says (there are no custom routes that could bring answers
// back); the metadata server answers whatever the firewall says.
//
// Unlike Google: no machine reaches the internet or the host, by design. The
// host reaches machines by their external address only, and only as an outside
// source (198.18.172.1). Whatever is not a machine is refused at once instead
// of being lost, so that nothing waits for a timeout. Addresses of all
// networks together must differ, see [Overlap].
//
// Nothing is changed on the host but the link hakube0 with its address, and a
// /32 route for each external address in use. Forwarding and the other
// switches are set inside the namespace.
//
// # Room for the balancer
//
// A passthrough balancer picks a machine for each new connection to a
// forwarding rule's address: a chain in prerouting between spoof (raw) and
// in-nat (dstnat), at priority mangle, that sets a mark, and an ip rule per
// mark. Marks are not used by anything here. [ownSources] is where an address
// a machine may send from is added, [Externals] where the host's routes come from.
package vpc
