#!/bin/sh
# What is said about model texts.  bad/*.mdl and warn/*.mdl are each a program,
# a line "# OUT" and the expected messages (errors, warnings); about good/*.mdl
# nothing is said.  UPDATE=1 rewrites the messages: the diff is what a reviewer
# reads.
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fails=0
count=0

# one FILE STATUS
one() {
    name=$(basename "$1")
    sed '/^# OUT$/,$d' "$1" >"$work/$name"
    sed '1,/^# OUT$/d' "$1" >"$work/expected"
    (cd "$work" && "$build/sextet" fmt --check "$name") >"$work/found" 2>&1
    status=$?
    count=$((count + 1))
    if [ "$status" -ne "$2" ]; then
        echo "$name: exit status $status, expected $2"
        fails=$((fails + 1))
    fi
    if [ -n "$UPDATE" ] && grep -q '^# OUT$' "$1"; then
        { cat "$work/$name"; echo "# OUT"; cat "$work/found"; } >"$1"
    elif ! diff -u --label "$name" --label found "$work/expected" "$work/found"; then
        fails=$((fails + 1))
    fi
}

for test in "$here"/bad/*.mdl; do one "$test" 1; done
wrong=$count
for test in "$here"/warn/*.mdl "$here"/good/*.mdl; do one "$test" 0; done
# What ships: nothing is said about it, and it is in canonical form.
for test in $(grep -l '^model ' "$here"/../../models/*.mdl); do
    count=$((count + 1))
    "$build/sextet" fmt --check "$test" || fails=$((fails + 1))
done
echo "$wrong wrong programs, $((count - wrong)) others, $fails failures"
[ "$wrong" -ge 60 ] && [ "$fails" -eq 0 ]
