#!/bin/sh
# NEEDS: app
# `sextet check --kernels` on the fake card: that it finds nothing, that it says
# so if the card fails, and what it wants on the command line.
build=$1
[ -e "$build/fakecuda/libcuda.so.1" ] || { echo "the fake libraries are not built"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "$1"; cat "$dir"/out "$dir"/err; exit 1; }
check() { LD_LIBRARY_PATH="$build/fakecuda" "$build/sextet" check --cache-dir="$dir/cache" "$@" >"$dir/out" 2>"$dir/err"; }

check --kernels=conv || fail "the check fails"
grep -q '^conv .* values compared, 0 wrong' "$dir/out" || fail "no verdict"
check --kernels=conv --json || fail "the check fails with --json"
grep -q '^{"compared": [1-9][0-9]*, "wrong": 0}$' "$dir/out" || fail "no JSON"
FAKE_CUDA_FAIL=cuLaunchKernelEx:3 check --kernels=conv && fail "a launch that failed is not noticed"
grep -q 'launch: .*cuLaunchKernelEx' "$dir/out" || fail "the failed launch is not named"
check && fail "neither file nor --kernels"
check --kernels=conv file && fail "a file and --kernels"
exit 0
