#!/usr/bin/env bash
# The checks and benchmarks of scripts/gpu-check.mjs on a machine with a card, but without npm and without network.
#
#   scripts/gpu-check.sh pack [ADDON]      here: puts what such a machine lacks into build/gpu-check.tar.xz; with an addon
#                                          built against the same torch and CUDA nothing is built there
#   scripts/gpu-check.sh [FLAGS ...]       there: builds against the torch of python3 (or LIBTORCH), then runs them
#
# There it needs a torch for CUDA, and without an addon in the archive cmake and a C++ compiler. Node, the compiled TypeScript and the few packages that
# it needs come from the archive, and from here where it is missing. FLAGS are those of gpu-check.mjs.
set -euo pipefail
cd "$(dirname "$0")/.."
archive=build/gpu-check.tar.xz

# By Python where there is no xz.
compress() { # FOLDER
  if command -v xz > /dev/null; then
    tar -C "$1" -c . | xz -T0 -6 > "$archive"
  else
    python3 -c 'import sys, tarfile
with tarfile.open(sys.argv[1], "w:xz") as archive: archive.add(sys.argv[2], arcname=".")' "$archive" "$1"
  fi
}
unpack() { # FOLDER
  if command -v xz > /dev/null; then
    tar -C "$1" -xJf "$archive"
  else
    python3 -c 'import sys, tarfile
with tarfile.open(sys.argv[1]) as archive: archive.extractall(sys.argv[2])' "$archive" "$1"
  fi
}

if [[ "${1:-}" == pack ]]; then
  node scripts/build-typescript.mjs
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
  mkdir -p "$staging/node_modules" "$staging/bin"
  cp "$(node -p process.execPath)" "$staging/bin/node"
  cp -r dist "$staging/dist"
  if [[ -n "${2:-}" ]]; then
    cp "$2" "$staging/permafrost.node"
    # It finds the torch that is there by LD_LIBRARY_PATH.
    if command -v patchelf > /dev/null; then patchelf --remove-rpath "$staging/permafrost.node"; fi
  fi
  for package in zod node-addon-api node-api-headers; do cp -rL "node_modules/$package" "$staging/node_modules/"; done
  # Of the tokenizers' binaries, the one for the machine with the card.
  mkdir "$staging/node_modules/tokenizers"
  cp node_modules/tokenizers/{index.js,package.json,tokenizers.linux-x64-gnu.node} "$staging/node_modules/tokenizers/"
  mkdir -p build
  compress "$staging"
  du -h "$archive"
  exit 0
fi

started=$(date +%s)
unpacked=build/gpu-check
if [[ -f "$archive" ]]; then
  rm -rf "$unpacked" && mkdir -p "$unpacked"
  unpack "$unpacked"
  node="$PWD/$unpacked/bin/node"
  packages="$PWD/$unpacked/node_modules"
  # The scripts import ../dist, which imports its packages from beside it.
  [[ -e dist ]] || cp -r "$unpacked/dist" dist
  [[ -e node_modules ]] || ln -s "$unpacked/node_modules" node_modules
else
  node=$(command -v node) || { echo "no node, and no $archive: run 'scripts/gpu-check.sh pack' where there is one"; exit 1; }
  packages="$PWD/node_modules"
fi

if [[ -z "${LIBTORCH:-}" ]]; then
  prefix=$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)') ||
    { echo "python3 has no torch: install one, or set LIBTORCH"; exit 1; }
  LIBTORCH=$(dirname "$(dirname "$prefix")")
fi
if [[ -f "$unpacked/permafrost.node" ]]; then
  export LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  PERMAFROST_ADDON="$PWD/$unpacked/permafrost.node" exec "$node" scripts/gpu-check.mjs "$@"
fi
cmake=$(command -v cmake || true)
if [[ -n "$cmake" ]]; then cmake=("$cmake"); else cmake=(python3 -m cmake); fi
generator=()
if command -v ninja > /dev/null; then generator=(-G Ninja); fi

build=${PERMAFROST_BUILD_DIR:-build/gpu}
"${cmake[@]}" -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DLIBTORCH="$LIBTORCH" \
  -DNODE_ADDON_API_DIR="$packages/node-addon-api" -DNODE_API_HEADERS="$packages/node-api-headers/include"
"${cmake[@]}" --build "$build" --parallel "$(nproc)" --target permafrost > "$build/build.log" 2>&1 ||
  { tail -50 "$build/build.log"; exit 1; }
echo "built in $(($(date +%s) - started)) s"
addon=$(find "$PWD/$build" -name permafrost.node | head -1)
PERMAFROST_ADDON="$addon" exec "$node" scripts/gpu-check.mjs "$@"
