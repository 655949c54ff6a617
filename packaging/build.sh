#!/usr/bin/env bash
# Makes the packages of a release from its program: a Debian package, a tarball that can be unpacked anywhere, and their
# checksums. The same input gives the same bytes. By way of `make packages`, or:
#
#   packaging/build.sh --program FILE --supply FOLDER --out FOLDER [--fast]
#
# `--supply` holds what packaging/supply.sh made. `--fast` hardly compresses, for tests.
set -euo pipefail
export LC_ALL=C.UTF-8 TZ=UTC
umask 022
source=$(cd "$(dirname "$0")/.." && pwd)

level=9
while [ $# -gt 0 ]; do
  case $1 in
    --program) program=$2 && shift ;;
    --supply) supply=$(cd "$2" && pwd) && shift ;;
    --out) mkdir -p "$2" && out=$(cd "$2" && pwd) && shift ;;
    --fast) level=1 ;;
    *) echo "$0: $1 is no option of this script; its first lines say what it takes" >&2 && exit 2 ;;
  esac
  shift
done
: "${program:?name the program}" "${supply:?name the folder of packaging/supply.sh}" "${out:?name a folder}"

version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"$/\1/p' "$source/Cargo.toml")
# Of all dates in the packages: the last change of the source, and not when or where it was packed.
: "${SOURCE_DATE_EPOCH:=$(git -C "$source" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
architecture=$(dpkg --print-architecture)
maintainer=${MESH_RELAY_MAINTAINER:-Mesh Relay maintainers <maintainers@mesh-relay.example>}

work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT

# compressed FILE...: in place, with nothing in it that differs from run to run.
compressed() { gzip --no-name -9 "$@"; }

# What both packages hold, below a prefix.
prefix=$work/prefix
documents=$prefix/share/doc/mesh-relay
install -D --mode=0755 "$program" "$prefix/bin/mesh-relay"
strip --strip-all --remove-section=.comment --remove-section=.note "$prefix/bin/mesh-relay"
relay=$prefix/bin/mesh-relay
"$relay" manual "$prefix/share/man/man1"
mkdir -p "$prefix/share/bash-completion/completions" "$prefix/share/zsh/vendor-completions" \
  "$prefix/share/fish/vendor_completions.d" "$documents/examples"
"$relay" completions bash > "$prefix/share/bash-completion/completions/mesh-relay"
"$relay" completions zsh > "$prefix/share/zsh/vendor-completions/_mesh-relay"
"$relay" completions fish > "$prefix/share/fish/vendor_completions.d/mesh-relay.fish"
install --mode=0644 "$source"/config/*.toml "$documents/examples"
install --mode=0644 "$supply/mesh-relay.cdx.json" "$supply/third-party-licences.txt" "$documents"

# The Debian package.
root=$work/root
mkdir -p "$root"
cp -R "$prefix" "$root/usr"
install -D --mode=0644 "$source/config/mesh-relay.service" "$root/lib/systemd/system/mesh-relay.service"
install -D --mode=0644 "$source/packaging/debian/mesh-relay.sysusers" "$root/usr/lib/sysusers.d/mesh-relay.conf"
install -D --mode=0644 "$source/packaging/debian/lintian-overrides" "$root/usr/share/lintian/overrides/mesh-relay"
install -D --mode=0644 "$source/packaging/mesh-relay.toml" "$root/etc/mesh-relay/mesh-relay.toml"
installed=$root/usr/share/doc/mesh-relay
install --mode=0644 "$source/packaging/debian/copyright" "$installed/copyright"
install --mode=0644 "$source/CHANGELOG.md" "$installed/changelog"
cat > "$installed/changelog.Debian" <<EOF
mesh-relay ($version-1) stable; urgency=medium

  * Release $version; /usr/share/doc/mesh-relay/changelog.gz says what changed.

 -- $maintainer  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
EOF
compressed "$installed"/changelog* "$installed/mesh-relay.cdx.json" "$installed/third-party-licences.txt" \
  "$root"/usr/share/man/man1/*

# What the program is linked to says what must be installed. The tool wants a folder laid out like a source package.
mkdir "$work/debian"
sed -e '/^Version:/d' -e '/^Installed-Size:/d' "$source/packaging/debian/control" > "$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O -e"$root/usr/bin/mesh-relay" 2>/dev/null)
control=$root/DEBIAN
install --directory "$control"
sed -n '/^Package:/,$p' "$source/packaging/debian/control" \
  | sed -e "s/@VERSION@/$version-1/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@MAINTAINER@/$maintainer/" \
    -e "s/@LIBRARIES@/${libraries#shlibs:Depends=}/" \
    -e "s/@SIZE@/$(du --apparent-size --summarize --block-size=1024 --exclude=DEBIAN "$root" | cut --fields=1)/" \
    > "$control/control"
echo /etc/mesh-relay/mesh-relay.toml > "$control/conffiles"
install --mode=0755 "$source"/packaging/debian/{postinst,prerm,postrm} "$control"
(cd "$root" && find usr lib -type f -print0 | sort --zero-terminated | xargs --null md5sum) > "$control/md5sums"
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
package=mesh-relay_$version-1_$architecture.deb
dpkg-deb --root-owner-group -Zxz "-z$((level > 1 ? 6 : 0))" --threads-max=1 --build "$root" "$out/$package" > "$work/said" \
  || { cat "$work/said" >&2; exit 1; }

# The tarball: the same, with the unit and the first configuration beside it, and no place of its own.
install -D --mode=0644 "$source/config/mesh-relay.service" "$prefix/lib/systemd/system/mesh-relay.service"
install -D --mode=0644 "$source/packaging/debian/mesh-relay.sysusers" "$prefix/lib/sysusers.d/mesh-relay.conf"
install -D --mode=0644 "$source/packaging/mesh-relay.toml" "$prefix/etc/mesh-relay/mesh-relay.toml"
install --mode=0644 "$source/LICENSE" "$source/CHANGELOG.md" "$documents"
install --mode=0644 "$source/packaging/tarball.md" "$prefix/README.md"
name=mesh-relay-$version-$(uname --machine)-linux-gnu
mv "$prefix" "$work/$name"
tar --create --directory="$work" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 \
  --numeric-owner --mode=u=rwX,go=rX "$name" | gzip --no-name "-$level" > "$out/$name.tar.gz"

(cd "$out" && sha256sum "$package" "$name.tar.gz" > SHA256SUMS)
echo "$out/$package"
echo "$out/$name.tar.gz"
