#!/bin/sh
# run.sh BUILD SECONDS: every fuzzer for that long, from an empty corpus plus
# tests/fuzz/corpus/NAME if there is one.  Fails on the first finding.
build=$1
seconds=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for f in "$build"/fuzz_*; do
    [ -x "$f" ] && [ -f "$f" ] || continue
    name=$(basename "$f")
    mkdir -p "$tmp/$name"
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    if ! "$f" "$tmp/$name" $seeds -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 >"$tmp/log" 2>&1; then
        tail -40 "$tmp/log"
        echo "$name: FAILED"
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$tmp/log")
    echo "$name: $runs inputs in $seconds s, nothing found"
done
