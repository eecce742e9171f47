# shellcheck shell=bash disable=SC2154,SC2317
# start-etcd RING MEMBER_ID MEMBERS [again] starts this machine's member of a ring
# that it joins. MEMBERS is etcd's initial cluster, the own member included. again
# is for a master whose member was removed since it could not come back: what it
# had of that ring is put aside. Prints {"started":true} when the unit is under way;
# catching up takes its time.
(($# == 3)) || [[ $# == 4 && $4 == again ]] || die "usage: start-etcd RING MEMBER_ID MEMBERS [again]"
[[ -n ${PEER_PORT[$1]:-} ]] || die "there is no ring $1"
answer_with join_ring "$@" </dev/null
printf '{"started":true}\n'
exit
