#!/bin/sh
# Holds the auth flow of a client against a contract, scenario by scenario: no account, no network.
#
#     contract.sh claude -p "say hi"
#
# What is left in $RESULTS (auth-results) can be uploaded as it is: traces hold no credential. The exit code is 0 if all was
# kept, 1 if something was missed, and 125 if something could not be run.
set -u
here=$(dirname "$0")
results=${RESULTS:-auth-results}
[ $# -gt 0 ] || { echo "usage: contract.sh COMMAND [ARGUMENT…]" >&2; exit 125; }
mkdir -p "$results" || exit 125

worst=0
for line in healthy:renewed expired-then-refreshed:renewed refresh-token-invalid:ended; do
    scenario=${line%%:*}
    rm -f "$results/$scenario.jsonl"
    authtrace run --scenario "$scenario" --expect "$here/contract/expect/${line##*:}.toml" \
        --out "$results/$scenario.jsonl" --junit "$results/$scenario.xml" -- "$@" \
        > "$results/$scenario.log" 2>&1
    code=$?
    case $code in
        0) echo "kept    $scenario" ;;
        1) echo "missed  $scenario"; cat "$results/$scenario.log" ;;
        *) echo "failed  $scenario (exit code $code)"; cat "$results/$scenario.log"; code=125 ;;
    esac
    [ "$code" -le "$worst" ] || worst=$code
done
exit "$worst"
