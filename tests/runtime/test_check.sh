#!/bin/sh
# `sextet inspect` and `check` on small files made here: faults are found, the
# exit status says so, hostile text cannot reach the terminal.
sextet=$1/sextet
[ -x "$sextet" ] || exit 77
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

fail() { echo "FAIL: $*"; exit 1; }
u32() { printf '%b' "\\0$(printf %o $(($1 & 255)))\\0$(printf %o $(($1 >> 8 & 255)))\\0$(printf %o $(($1 >> 16 & 255)))\\0$(printf %o $(($1 >> 24 & 255)))"; }
u64() { u32 "$1"; u32 0; }
str() { u64 ${#1}; printf '%s' "$1"; }

# One entry and two f32 tensors of four values, at bytes 128 and 160; the
# arguments are the bits of their first values.
make() {
    printf GGUF; u32 3; u64 2; u64 1
    str note; u32 8; str "$(printf 'red \033[31m text')"
    str a; u32 1; u64 4; u32 0; u64 0
    str b; u32 1; u64 4; u32 0; u64 32
    u32 "$1"; u32 0; u32 1065353216; u32 0; u64 0; u64 0
    u32 "$2"; u32 0; u32 3212836864; u32 0
}
make 0 0 > good.gguf
make 2143289344 2139095040 > bad.gguf # a NaN in a, an infinity in b

"$sextet" check good.gguf > out || fail "a sound file is refused"
grep -q 'sound; 2 tensors' out || fail "$(cat out)"
"$sextet" check bad.gguf > out 2> err && fail "faults are not found"
grep -q 'a (f32): 1 NaN, 0 infinite of 4' out || fail "$(cat out)"
grep -q 'b (f32): 0 NaN, 1 infinite of 4' out || fail "$(cat out)"
grep -q '2 of 2 tensors' err || fail "$(cat err)"
"$sextet" check --json bad.gguf 2> err | tr -d '\n ' > out
grep -q '"sound":false' out || fail "$(cat out)"
"$sextet" check --threads=3 good.gguf > out || fail "threads"
head -c 170 good.gguf > cut.gguf
"$sextet" check cut.gguf 2> err && fail "a cut file is accepted"
grep -q 'are missing' err || fail "$(cat err)"

"$sextet" inspect good.gguf > out || fail "inspect"
grep -q 'red .x1b\[31m text' out || fail "not escaped: $(cat out)"
"$sextet" inspect good.gguf a > out || fail "inspect a"
grep -q 'min 0, max 1, mean 0.25, rms 0.5' out || fail "$(cat out)"
grep -q '3 zeros, 0 NaN, 0 infinite' out || fail "$(cat out)"
"$sextet" inspect bad.gguf a > out || fail "inspect a with a NaN"
grep -q '2 zeros, 1 NaN, 0 infinite' out || fail "$(cat out)"
"$sextet" inspect good.gguf b --f32=values > out || fail "--f32"
[ "$(od -An -tf4 values | tr -s ' ')" = " 0 0 -1 0" ] || fail "values"
"$sextet" inspect good.gguf b --f32=./good.gguf 2> err &&
    fail "the model file was overwritten"
cmp -s good.gguf bad.gguf && fail "files"
"$sextet" check good.gguf > out || fail "the model file was destroyed"
"$sextet" inspect good.gguf c 2> err && fail "no tensor c"
grep -q "no tensor 'c'" err || fail "$(cat err)"
"$sextet" inspect good.gguf --f32=values 2> err
[ $? = 2 ] || fail "--f32 without a tensor"
"$sextet" inspect good.gguf a --f32=/dev/full > out 2> err &&
    fail "a full disk goes unnoticed"
exit 0
