// Package ruleset is what decides about packets in the VPC: the nftables table of its
// namespace and who gets a balancer's connections, as pure functions of
// [emulator.Network]. It touches no kernel, so that it is tested on any system against
// tables as files; package vpc above it carries out what it says.
package ruleset
