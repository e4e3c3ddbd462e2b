#!/bin/sh
# Compiles one unit of CUDA source for the emulation:
#     tests/cuda/build_unit.sh UNIT.cu OUT.so [compiler options]
# Its headers come from HEADERS (a folder; gen/cuda of this tree if unset), but
# for device.cuh, which comes from here.  All are gathered in one folder, because
# #include "device.cuh" looks beside the including file first.
set -e
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
unit=$1 out=$2
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
find "${HEADERS:-$here/../../gen/cuda}" -maxdepth 1 -name '*.cuh' -exec cp {} "$dir" \;
cp "$unit" "$dir/unit.cpp"
chmod -R u+w "$dir"
cp "$here/device.cuh" "$here/emulated.h" "$dir"
# alignment: a misaligned access is a fault on a GPU.  pattern: a variable read
# before it is written shows.
${CXX:-g++} -std=c++17 -O1 -g1 -march=native -ffp-contract=off -fno-math-errno \
    -shared -fPIC -fvisibility=hidden -D__CUDA_ARCH__=900 \
    -fsanitize=alignment -fsanitize-undefined-trap-on-error \
    -fstack-clash-protection -ftrivial-auto-var-init=pattern -Wno-attributes -Wno-unknown-pragmas \
    "$@" -o "$out" "$dir/unit.cpp"
