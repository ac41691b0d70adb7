#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# enter.sh PLACE SOURCE: PLACE/root becomes the root directory, below a layer that takes what is written and is lost with
# the namespace this runs in. PLACE/build is kept. Run by elsewhere.py.
set -eu

place=$1 source=$2
layer=$place/layer
mkdir -p "$layer"
mount -t tmpfs -o mode=755 layer "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/root"
mount -t overlay overlay -o "lowerdir=$place/root,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
root=$layer/root

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for node in null zero full random urandom tty; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"

# A name with a blank in it, and of a machine the tests know, is as good as any other.
tree="/srv/a tree/wopr"
mkdir -p "$root$tree"
mount --bind "$source" "$root$tree"
mount -o remount,bind,ro "$root$tree"
mount --bind "$place/build" "$root$tree/build"
chroot "$root" chown builder "$tree/build"

exec chroot "$root" /bin/sh "$tree/tests/elsewhere/inside.sh" "$tree"
