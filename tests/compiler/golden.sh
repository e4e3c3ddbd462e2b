#!/bin/sh
# golden.sh OPT FILE...: run each file's passes, compare with its "# OUT" part.
#     # RUN: canonicalise fuse
#     module ...
#     # OUT
#     what opt prints
# UPDATE=1 rewrites the expected part; the diff is what a reviewer reads.
opt=$1
shift
fail=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for f; do
    passes=$(sed -n '1s/^# RUN://p' "$f")
    sed '1,/^# OUT$/d' "$f" >"$tmp/want"
    # shellcheck disable=SC2086 # several passes, several words
    sed '/^# OUT$/,$d' "$f" | "$opt" $passes >"$tmp/got" 2>&1
    cmp -s "$tmp/want" "$tmp/got" && continue
    if [ -n "$UPDATE" ]; then
        sed '/^# OUT$/q' "$f" >"$tmp/new"
        cat "$tmp/got" >>"$tmp/new"
        cp "$tmp/new" "$f"
    else
        echo "FAIL $f"
        diff -u "$tmp/want" "$tmp/got"
        fail=1
    fi
done
exit $fail
