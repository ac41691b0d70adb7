#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# inside.sh SOURCE: what is done in a chroot. An ordinary user who owns only SOURCE/build, and has no home to write to,
# builds and tests; root installs and removes.
set -eu

source=$1 build=$1/build
say() { printf '\n== %s: %s\n' "$(. /etc/os-release && echo "${VERSION_CODENAME:-$ID}")" "$*"; }
as_builder() { (cd "$build" && exec setpriv --reuid=builder --regid=builder --init-groups env HOME=/nonexistent "$@"); }

# Nothing is precompiled: each file has to include what it uses, and each standard library lends other headers.
say "building"
as_builder cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -DNDEBUG" -DCMAKE_INSTALL_PREFIX=/usr -DWOPR_WERROR=ON >"$build/configure.log" 2>&1 ||
  { cat "$build/configure.log"; exit 1; }
as_builder cmake --build "$build" -j "$JOBS" -- -k 0 --quiet

say "testing"
as_builder ctest --test-dir "$build" -j "$JOBS" -LE sim -E '^bench' --output-on-failure --quiet -O "$build/ctest.log" ||
  { tail -n 200 "$build/ctest.log"; exit 1; }
tail -n 4 "$build/ctest.log"

say "packaging"
rm -rf "$build/package"
as_builder cpack -G DEB >"$build/cpack.log" 2>&1 || { cat "$build/cpack.log"; exit 1; }
deb=$(echo "$build"/package/*.deb)
as_builder /usr/bin/python3 -m pytest -q -p no:cacheprovider "$source/tests/package" --deb "$deb"

say "installing"
export DEBIAN_FRONTEND=noninteractive
before=$(dpkg-query -W -f '${Package}\n')
find / -xdev \( -path /proc -o -path /tmp -o -path /srv -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune \
  -o -print | sort >/tmp/before
dpkg -i "$deb"
[ "$(dpkg-query -W -f '${db:Status-Status}' wopr-aer)" = installed ]
wopr-aer --version
systemd-analyze verify --man=no /usr/lib/systemd/system/wopr-aer*.service /usr/lib/systemd/system/wopr-aer*.socket
getent passwd wopr-aer >/dev/null

say "removing"
dpkg -P wopr-aer
[ "$before" = "$(dpkg-query -W -f '${Package}\n')" ]
find / -xdev \( -path /proc -o -path /tmp -o -path /srv -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache \) -prune \
  -o -print | sort >/tmp/after
# The user stays, and the backups of the accounts' files with it.
left=$(comm -13 /tmp/before /tmp/after | grep -v '^/etc/\(passwd\|group\|shadow\|gshadow\)-$' || true)
[ -z "$left" ] || { echo "left behind:"; echo "$left"; exit 1; }
say "all is well"
