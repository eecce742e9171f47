package vpc

import (
	"net/netip"
	"strconv"
)

// links are the pairs of addresses (host, VPC) for the link between them: the
// first pair that is free on the host is taken. They are from the range for
// benchmarks (RFC 2544), where nothing else should be but tunnels of some
// proxies are, and at last from the given-up 6to4 range (RFC 7526). Several,
// because tests run beside a VPC in use.
func links() [][2]netip.Addr {
	var pairs [][2]netip.Addr
	add := func(a, b, c byte) {
		pairs = append(pairs, [2]netip.Addr{netip.AddrFrom4([4]byte{a, b, c, 1}), netip.AddrFrom4([4]byte{a, b, c, 2})})
	}
	for c := byte(172); c < 180; c++ {
		add(198, 18, c)
	}
	for c := byte(172); c < 180; c++ {
		add(198, 19, c)
	}
	add(192, 88, 99)
	return pairs
}

// Options say under which names a VPC lives.
type Options struct {
	// Prefix starts every name in the kernel: namespaces PREFIX-vpc and
	// PREFIX-<id>, the host's link PREFIX0. "" is "hakube". Tests use their
	// own, so that they leave a VPC in use alone. At most 10 letters.
	Prefix string
	// Record is a file for the names of the network namespaces that were made: somebody
	// else's may begin with the same, and must not go with ours. Without one, as in
	// tests, the prefix is taken for the proof.
	Record string
}

func (o Options) prefix() string {
	if o.Prefix == "" {
		return "hakube"
	}
	return o.Prefix
}

func (o Options) vpcNS() string { return o.prefix() + "-vpc" }

func (o Options) machineNS(id uint64) string { return o.prefix() + "-" + strconv.FormatUint(id, 36) }

// hostLink is the host's end of the link to the VPC.
func (o Options) hostLink() string { return o.prefix() + "0" }
