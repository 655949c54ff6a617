#!/usr/bin/env bash
# Lays out, in the folder named as an argument, what the image `distroless/cc` of this machine's Debian holds, from the same
# Debian packages: the C and C++ runtimes, authorities, time zones, an account, and no shell. OpenSSL is left out, so that
# what needs it is seen to bring it along. Needs the network the first time.
set -euo pipefail

place=$1
packages=(base-files netbase tzdata ca-certificates libc6 libgcc-s1 libstdc++6)
mkdir -p "$place/packages"
cd "$place/packages"
if [ "$(find . -name '*.deb' | wc -l)" != "${#packages[@]}" ]; then
  rm -f ./*.deb
  apt-get download --quiet=2 "${packages[@]}" 2>/dev/null || { apt-get update --quiet=2 && apt-get download --quiet=2 "${packages[@]}"; } >&2
fi
root=$place/root
rm -rf "$root"
mkdir "$root"
for package in ./*.deb; do
  dpkg-deb --extract "$package" "$root"
done
mkdir -p "$root/etc/ssl/certs" "$root/proc" "$root/dev" "$root/tmp" "$root/run"
find "$root/usr/share/ca-certificates" -name '*.crt' -print0 | sort --zero-terminated | xargs --null cat > "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' > "$root/etc/group"
echo "$root"
