# shellcheck shell=bash
# Private images of Google's registries: kubelet asks a program for credentials
# (its credential providers' protocol) and gets the machine's own token. That is all the
# official auth-provider-gcp does on a machine, which is in no release that could be
# verified.

PROVIDER=/etc/hakube/credential-provider # its configuration; the program is in bin
KUBELET_DROP_IN=/etc/systemd/system/kubelet.service.d/credentials.conf

# write_credential_provider: names are those of kube-up's own configuration.
write_credential_provider() {
	if [[ $AUTH_PROVIDER != true ]]; then
		rm -rf "$PROVIDER" "$KUBELET_DROP_IN"
		return
	fi
	put "$PROVIDER/config.yaml" <<-'END'
		apiVersion: kubelet.config.k8s.io/v1
		kind: CredentialProviderConfig
		providers:
		- name: auth-provider-gcp
		  apiVersion: credentialprovider.kubelet.k8s.io/v1
		  matchImages: ["container.cloud.google.com", "gcr.io", "*.gcr.io", "*.pkg.dev"]
		  defaultCacheDuration: 1m
	END
	provider_program | put "$PROVIDER/bin/auth-provider-gcp" 0755
	put "$KUBELET_DROP_IN" <<-END
		[Service]
		Environment="KUBELET_CREDENTIALS_ARGS=--image-credential-provider-config=$PROVIDER/config.yaml --image-credential-provider-bin-dir=$PROVIDER/bin"
	END
}

# provider_program prints the program. A machine without an account has no credentials,
# and goes on without: most images are public.
provider_program() {
	cat <<-END
		#!/bin/bash
		URL=$METADATA/instance/service-accounts/default/token
	END
	cat <<-'END'
		set -euo pipefail
		auth='' seconds=60
		answer=$(curl -sS -m 20 --retry 3 -H 'Metadata-Flavor: Google' -w '\n%{http_code}' "$URL")
		case ${answer##*$'\n'} in
		200)
			[[ $answer =~ \"access_token\"[[:space:]]*:[[:space:]]*\"([^\"\\]+)\" ]]
			token=${BASH_REMATCH[1]}
			[[ $answer =~ \"expires_in\"[[:space:]]*:[[:space:]]*([0-9]+) ]]
			seconds=$((BASH_REMATCH[1] > 120 ? BASH_REMATCH[1] - 60 : 0)) # pulls take a while
			for registry in container.cloud.google.com gcr.io '*.gcr.io' '*.pkg.dev'; do
				auth+="${auth:+,}\"$registry\":{\"username\":\"_token\",\"password\":\"$token\"}"
			done
			;;
		404) ;;
		*)
			echo "$URL answers ${answer##*$'\n'}" >&2
			exit 1
			;;
		esac
		printf '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Global","cacheDuration":"%ds","auth":{%s}}\n' "$seconds" "$auth"
	END
}
