#!/bin/sh
# Golden graphs: tests/compiler/pass (passes) and graph (text, verifier).
exec tests/compiler/golden.sh "$1/opt" tests/compiler/pass/*.gr tests/compiler/graph/*.gr
