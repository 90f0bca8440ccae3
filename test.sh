#!/usr/bin/env bash
# Everything that must pass before a change lands. Installs what it needs.
#   ./test.sh          all of it: about 18 minutes on two idle cores with a warm build cache
#   ./test.sh quick    without fuzzing and cross builds
#   ./test.sh long     all of it, and the tests behind the flag -long
# FUZZTIME is how long each fuzz target runs (default 3s).
set -euo pipefail
cd "$(dirname "$0")"
mode=${1:-all}
case $mode in
  quick) steps=7 ;;
  all) steps=9 ;;
  long) steps=10 ;;
  *) echo "usage: ./test.sh [quick|all|long]" >&2; exit 2 ;;
esac

# Each step says its number and, at its end, its time. The table comes at the end.
step=0 title="" begun=0 table=""
spell() { if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi; }
finish() {
  [ "$step" -gt 0 ] || return 0
  local took
  took=$(spell $((SECONDS - begun)))
  printf '   %d/%d %s %s\n' "$step" "$steps" "$1" "$took"
  table+=$(printf '   %d/%d  %11s  %s' "$step" "$steps" "$took" "$title")$'\n'
}
begin() {
  finish took
  step=$((step + 1)) title=$* begun=$SECONDS
  printf '\n== %d/%d %s\n' "$step" "$steps" "$title"
}

scratch=$(mktemp -d)
export RELGATE_SKIPPED_PEERS="$scratch/skipped-peers"
touch "$RELGATE_SKIPPED_PEERS"
ended() {
  local status=$?
  rm -rf "$scratch"
  [ "$status" = 0 ] || printf '\n== FAILED after %s: %s\n' "$(spell $SECONDS)" "$title"
}
trap ended EXIT

# Peers: programs that some tests run against. Without its program a test is
# skipped, so that any machine can run the rest, and its helper appends the
# program's name to the file that RELGATE_SKIPPED_PEERS names.
missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need curl curl
need shellcheck shellcheck
need node nodejs
need npm npm
need python3 python3
need webhook webhook
need tinyproxy tinyproxy
need openssl openssl
need promtool prometheus
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager
need alertmanager-irc-relay alertmanager-irc-relay
need systemd-analyze systemd
need unshare util-linux
need setpriv util-linux
need mount mount
/usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null || missing+=(python3-aiosmtpd)
if [ ${#missing[@]} -gt 0 ] && command -v apt-get >/dev/null; then
  printf '\n== installing %s\n' "${missing[*]}"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq || true
  for package in "${missing[@]}"; do
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null || true
  done
fi

begin gofmt
unformatted=$(gofmt -l $(git ls-files '*.go'))
[ -z "$unformatted" ] || { echo "run gofmt -w on: $unformatted"; exit 1; }

begin go vet
go vet ./...

begin staticcheck
go tool staticcheck ./...

# Packages whose names end in test are for tests; the demo reaches some of what is in them.
begin "deadcode: a command reaches everything but what is for tests"
go tool deadcode ./... >"$scratch/dead"
dead=$(grep -vE '^[^:]*test/[^/:]+\.go:' "$scratch/dead") || true
[ -z "$dead" ] || { echo "delete it, or move it into the test that needs it:"; echo "$dead"; exit 1; }

begin go test -race -shuffle=on
# Arithmetic and simulations start no goroutine: the race detector finds nothing in them and
# makes them ten times slower.
alone='/evaluator/(evidence|lab/power|lab/simulation)$'
go test -race -shuffle=on -count=1 -parallel 4 -timeout 25m $(go list ./... | grep -vE "$alone")
go test -shuffle=on -count=1 -timeout 25m $(go list ./... | grep -E "$alone")

begin "coverage of rules and the core: every line, or it says why not"
profile=$scratch/profile
# The same draws each time: which lines are reached must not depend on luck. What the
# core is made of counts as one, whichever package's test reaches it.
core=./rules,./evaluator,./evaluator/judge,./evaluator/people,./evaluator/effects,./evaluator/rollout,./evaluator/series,./evaluator/fact,./evaluator/stored
for package in ${core//,/ }; do
  ls "$package"/*_test.go >/dev/null 2>&1 || continue
  draws=()
  if grep -q 'pgregory.net/rapid' "$package"/*_test.go; then draws=(-rapid.seed=1 -rapid.checks=400); fi
  go test -coverprofile="$scratch/one" -coverpkg=$core "$package" "${draws[@]}" >/dev/null
  cat "$scratch/one" >>"$profile"
done
uncovered=$(awk '!/^mode:/ { seen[$1 " " $2] += $3 } END { for (block in seen) if (!seen[block]) print block }' "$profile" | sort |
  awk '{ sub("github.com/relgate/relgate/", ""); split($0, p, ":"); split(p[2], r, "[,.]"); print p[1], r[1], r[3] }' |
  while read -r file from to; do sed -n "${from},${to}p" "$file" | grep -q unreachable || echo "$file:$from"; done)
[ -z "$uncovered" ] || { echo "not covered, and not said to be unreachable:"; echo "$uncovered"; exit 1; }

begin "bench: its own module, go vet and go test"
# Verifiers of others in JavaScript, which its tests give deliveries to.
if ! [ bench/verifiers/node_modules/.package-lock.json -nt bench/verifiers/package-lock.json ] && command -v npm >/dev/null; then
  npm ci --prefix bench/verifiers --ignore-scripts --no-audit --no-fund --silent || true
fi
(cd bench && go vet ./... && go test -count=1 ./...)

# fuzz runs one target. It gets one worker, because as many targets as there are
# processors run side by side. Making an input smaller is cut short: by default it
# may take a minute, in which that worker tries nothing new. The fuzzer sometimes
# reports its own deadline as a failure (golang/go#75804): then it is tried again,
# unless an input has failed.
fuzz() {
  local package=${1%:*} target=${1#*:} log
  log=$(mktemp "$scratch/fuzz.XXXXXX")
  for _ in 1 2 3; do
    if go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-3s}" -fuzzminimizetime 200x -parallel 1 "$package" >"$log" 2>&1; then
      echo "ok    $package $target: $(grep -o 'execs: [0-9]*' "$log" | tail -1)"
      return 0
    fi
    if grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log"; then break; fi
  done
  echo "FAIL  $package $target"
  cat "$log"
  return 1
}

if [ "$mode" != quick ]; then
  begin "fuzz targets, ${FUZZTIME:-3s} each"
  export scratch
  export -f fuzz
  git ls-files '*_test.go' | xargs grep -oHE '^func Fuzz[A-Za-z0-9_]+' |
    sed -E 's|^|./|; s|/[^/]*:func |:|' | xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} bash -c 'fuzz {}'

  # Each takes minutes where nothing is compiled yet: one for each system and processor here,
  # all of them with "long".
  platforms="linux/arm64 darwin/arm64 windows/amd64"
  [ "$mode" != long ] || platforms+=" linux/amd64 darwin/amd64 windows/arm64"
  begin "builds without cgo: $platforms"
  for platform in $platforms; do
    CGO_ENABLED=0 GOOS=${platform%/*} GOARCH=${platform#*/} go build -mod=readonly -trimpath -ldflags '-s -w' -o /dev/null ./cmd/relgate
    echo "$platform"
  done
fi

if [ "$mode" = long ]; then
  begin "the tests behind -long"
  for package in $(git grep -l 'flag.Bool("long"' -- '*_test.go' | xargs -n 1 dirname | sort -u); do
    go test -count=1 -timeout 60m "./$package" -long
  done
fi
finish took

printf '\n== times, %s in all\n%s' "$(spell $SECONDS)" "$table"
if [ -s "$RELGATE_SKIPPED_PEERS" ]; then
  printf '\n!!!! TESTS WERE SKIPPED, because these programs or rights are missing:\n'
  sort "$RELGATE_SKIPPED_PEERS" | uniq -c | awk '{ printf "!!!!   %s: %d skipped\n", $2, $1 }'
  if [ "${CI:-}" = true ]; then
    echo "!!!! In CI every test must run: install them."
    title="tests were skipped"
    exit 1
  fi
fi
printf '\n== everything passed\n'
