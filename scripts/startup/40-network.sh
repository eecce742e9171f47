# shellcheck shell=bash
# Pods' network: addresses of the machine's own alias range, routed by the VPC.
# No overlay, no bridge: each pod hangs on a veth with a host route (CNI ptp, as
# GKE does it), so pods of one machine talk through netfilter like all others and
# no br_netfilter is needed.

# release_alias_range keeps the guest agent from adding the alias range to the
# local routing table, which would swallow all packets to pods.
release_alias_range() {
	local config=/etc/default/instance_configs.cfg
	touch "$config"
	if ! without_alias_claims "$config" | cmp -s - "$config"; then
		without_alias_claims "$config" | put "$config"
		# Newer agents run under the second name.
		systemctl try-restart google-guest-agent.service || say "the guest agent was not restarted"
		systemctl try-restart google-guest-agent-manager.service 2>/dev/null || true
	fi
	drop_alias_route
}

# without_alias_claims FILE prints the agent's settings with that one changed.
without_alias_claims() {
	sed '/^\[IpForwarding\]/,/^\[/{/^ip_aliases/d}; s/^\[IpForwarding\].*/[IpForwarding]\nip_aliases = false/' "$1"
	grep -q '^\[IpForwarding\]' "$1" || printf '[IpForwarding]\nip_aliases = false\n'
}

# drop_alias_route: the agent takes the route away itself when it restarts, now or
# later, so it may be gone between a look and the command.
drop_alias_route() {
	ip -4 route del local "$POD_CIDR" table local 2>/dev/null || true
}

# write_cni: the MTU of pods must follow the VPC's 1460. State of the addresses
# is kept in /run: after a boot no pod of before lives.
write_cni() {
	put /etc/cni/net.d/10-hakube.conflist <<-END
		{
		  "cniVersion": "1.0.0",
		  "name": "hakube",
		  "plugins": [
		    {
		      "type": "ptp",
		      "mtu": $MTU,
		      "ipMasq": false,
		      "ipam": {
		        "type": "host-local",
		        "dataDir": "/run/cni-ipam",
		        "ranges": [[{"subnet": "$POD_CIDR"}]],
		        "routes": [{"dst": "0.0.0.0/0"}]
		      }
		    },
		    {"type": "portmap", "capabilities": {"portMappings": true}, "backend": "nftables"}
		  ]
		}
	END
}

# guard_pods loads our own nft table in one transaction, before the first pod of
# this boot runs:
# - The metadata server has the machine's identity and hakube's join token. What
#   is forwarded to it comes from pods; they get DNS and nothing else. Pods on
#   the host's network are not forwarded and still reach it.
# - Google translates only the machine's primary address to its external one, so
#   pods leave the VPC under that. Inside they keep their own address.
guard_pods() {
	local rules=$RUN/pods.nft
	cat >"$rules" <<-END
		table ip hakube
		delete table ip hakube
		table ip hakube {
			chain forward {
				type filter hook forward priority -10; policy accept;
				ip daddr 169.254.169.254 meta l4proto { tcp, udp } th dport 53 accept
				ip daddr 169.254.169.254 reject
			}
			chain postrouting {
				type nat hook postrouting priority 90; policy accept;
				ip saddr $POD_CIDR oifname "$NIC" ip daddr != { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 } ip daddr != $POD_RANGE masquerade
			}
		}
		table ip6 hakube
		delete table ip6 hakube
		table ip6 hakube {
			chain forward {
				type filter hook forward priority -10; policy accept;
				ip6 daddr fd20:ce::254 reject
			}
		}
	END
	nft -f "$rules"
}

# keep_address_here makes the API's address this master's own while it founds the
# cluster: kubeadm goes there, and a balancer may not lead here yet. Afterwards
# nothing on a master needs it (kubelet, controller-manager and scheduler speak
# to the machine's own API server), and what a balancer sends here is let in by
# the guest agent's route. Metric 100 leaves room for that one beside it.
keep_address_here() {
	ip -4 route replace local "$ADDRESS/32" dev lo table local metric 100
}

release_address() {
	ip -4 route del local "$ADDRESS/32" dev lo table local metric 100 2>/dev/null || true
}

set_up_network() {
	release_alias_range
	write_cni
	guard_pods
}
