#!/bin/sh
# Every planted fault still applies; `make mutate` plants them.
exec tests/mutate/run.py --check
