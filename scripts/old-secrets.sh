# shellcheck shell=bash
# old-secrets ROTATION asks etcd which Secrets it has by another key than the rotation's, or
# by none. Prints {"secrets":["NAMESPACE/NAME",…],"left":N}, of which it names a thousand.
# Changes nothing.
[[ $# == 1 && $1 =~ ^[0-9]{1,18}$ ]] || die "usage: old-secrets ROTATION"
found=$(old_secrets "key-$1")
mapfile -t found <<<"$found"
[[ -n ${found[0]} ]] || found=()
named=$(printf ',"%s"' "${found[@]:0:1000}")
((${#found[@]} > 0)) || named=''
printf '{"secrets":[%s],"left":%d}\n' "${named#,}" "${#found[@]}"
exit
