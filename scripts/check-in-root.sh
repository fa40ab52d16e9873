#!/usr/bin/env bash
# Builds the addon and runs the C++ tests, and those of vitest, with the libtorch of another system's root directory:
#
#   debootstrap --include=g++,make,cmake,nodejs,libtorch-dev,libopenblas0-openmp trixie ROOT
#   scripts/check-in-root.sh ROOT [test file or directory ...]
#
# Needs the right to chroot. node_modules must be installed in this clone; nothing is downloaded.
# The copy stays in ROOT, so that a second call compiles only what has changed.
set -euo pipefail

if [[ $# -lt 1 || ! -x "$1/usr/bin/node" ]]; then
  echo "usage: $0 ROOT [test ...], where ROOT holds a system with g++, make, cmake, nodejs and libtorch-dev" >&2
  exit 2
fi
root=$(realpath "$1")
shift
project=$(realpath "$(dirname "$0")/..")
shared=${PERMAFROST_SHARED:-$project/../shared}

copy=/opt/permafrost-check/project
mkdir -p "$root$copy" "$root/opt/permafrost-check/shared"
# Files that are gone here must not be tested there; the build directory stays.
find "$root$copy" -mindepth 1 -maxdepth 1 ! -name build ! -name node_modules -exec rm -rf {} +
tar -C "$project" --exclude=./build --exclude=./node_modules --exclude=./.git --exclude=./out -cf - . | tar -C "$root$copy" -xf -
if ! cmp -s "$project/package-lock.json" "$root$copy/node_modules/.copied-lock"; then
  rm -rf "$root$copy/node_modules"
  cp -a "$project/node_modules" "$root$copy/node_modules"
  cp "$project/package-lock.json" "$root$copy/node_modules/.copied-lock"
fi

# A mount namespace of its own: nothing stays mounted when this ends, however it ends.
export root copy shared
unshare --mount bash -euo pipefail -c '
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  if [[ -d $shared ]]; then mount --bind -o ro "$shared" "$root/opt/permafrost-check/shared"; fi
  exec chroot "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 \
    PERMAFROST_SHARED=/opt/permafrost-check/shared bash -euo pipefail -c "
      cd $copy
      node scripts/build-native.mjs
      node scripts/build-native.mjs --tests
      node node_modules/vitest/vitest.mjs run \"\$@\"" check "$@"
' check "$@"
