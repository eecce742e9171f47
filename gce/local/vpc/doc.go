// Package vpc is the network behind the embedded GCE: one Linux network
// namespace that is all VPC networks, a veth from it to each machine, and one
// to the host.
//
// What decides about packets is a pure function of [emulator.Network], in ruleset: the
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
//	                               lo     199.36.153.8    Google's services by name
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
// of being lost, so that nothing waits for a timeout. Networks may use the same
// ranges in 10.0.0.0/8, where they are told apart by mappings (ruleset/mapping.go); other
// addresses of all networks together must differ, see [ruleset.Overlap].
//
// Nothing is changed on the host but the link hakube0 with its address and
// routes by it: a /32 for each external address in use, and one of low
// precedence for the rest of their range, so that packets to a machine that is
// stopped do not leave by the host's default route. Forwarding and the other
// switches are set inside the namespace.
//
// # Balancers
//
// A passthrough balancer's packets keep their destination. A chain between
// spoof (raw) and in-nat (dstnat) hashes each new connection to one of the
// machines that get new ones, marks packets and connection with that machine's
// address as a number, and brings the mark back for later packets of the
// calling direction. An ip rule leads each mark to a table of its own, whose
// one route is that machine. So rules, tables and marks are a function of the
// network too, and need not be remembered: whoever comes later finds them, and
// they go with the namespace.
//
// As on Google: a machine that calls the address reaches itself; an external one
// reach otherwise only machines with an external address, and are seen as that,
// and an internal one only machines and pods of its network and region, which are
// seen as themselves; firewall
// rules are those of the machine picked, with the caller as source. Probes go
// to the balancer's address on each machine, come from [ruleset.Probers], and are judged
// by the firewall like anything else. Without anybody healthy all get new
// connections. TCP connections stay with an unhealthy machine, UDP's do not;
// those with a machine that left stay until the drain is over. Then, and when
// the machine itself has gone, they are forgotten: the next packet reaches
// another one, whose reset tells the caller.
//
// Unlike Google: what the balancer does not forward is refused. A change of
// health may lead a caller of CLIENT_IP affinity to another machine although the
// caller's own is still there, since there is no consistent hash.
package vpc
