#!/bin/sh
# Makes the files of a Java MESH client's site anew with the real tools, OpenSSL 3 and JDK 17's keytool: an authority, a
# server for this machine under it, and the client's keystore (JKS) with its key and the authority as a trusted entry, as
# the old client has them. Run in this folder. Certificates last 20 years, so that tests do not rot.
set -eu
cd "$(dirname "$0")"
LC_ALL=C.UTF-8
export LC_ALL
DAYS=7300
PASS='pa££word1'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f authority.pem server.pem server.key mesh.keystore

key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}
# leaf NAME SUBJECT ALTERNATIVE-NAMES
leaf() {
  openssl req -new -key "$work/$1.key" -subj "$2" -out "$work/$1.csr"
  printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\nextendedKeyUsage=clientAuth,serverAuth\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n' \
    "$3" >"$work/leaf.ext"
  openssl x509 -req -in "$work/$1.csr" -CA authority.pem -CAkey "$work/authority.key" -days $DAYS \
    -extfile "$work/leaf.ext" -out "$work/$1.pem" 2>/dev/null
}

key "$work/authority.key"
openssl req -new -key "$work/authority.key" -subj "/O=nhs/CN=Invented Root Authority" -out "$work/authority.csr"
printf 'basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\nkeyUsage=critical,keyCertSign\n' >"$work/ca.ext"
openssl x509 -req -in "$work/authority.csr" -signkey "$work/authority.key" -days $DAYS -extfile "$work/ca.ext" \
  -out authority.pem 2>/dev/null

key "$work/server.key"
leaf server "/CN=localhost" "DNS:localhost,IP:127.0.0.1"
cp "$work/server.key" server.key
cp "$work/server.pem" server.pem

CLIENT=JAVAHOST1.Y99.api.mesh-client.nhs.uk
key "$work/client.key"
leaf client "/CN=$CLIENT" "DNS:$CLIENT"
openssl pkcs12 -export -inkey "$work/client.key" -in "$work/client.pem" -certfile authority.pem -name mesh \
  -passout pass:changeit -out "$work/client.p12"
keytool -importkeystore -srckeystore "$work/client.p12" -srcstoretype PKCS12 -srcstorepass changeit -srcalias mesh \
  -destkeystore mesh.keystore -deststoretype JKS -deststorepass "$PASS" -destkeypass "$PASS" -destalias mesh \
  -noprompt 2>/dev/null
keytool -importcert -keystore mesh.keystore -storetype JKS -storepass "$PASS" -alias root -file authority.pem \
  -noprompt 2>/dev/null
chmod 644 authority.pem server.pem server.key mesh.keystore
