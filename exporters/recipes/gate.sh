#!/bin/sh
# gate.sh asks relgate whether a phase of a version may begin, or has passed. It needs curl.
#
#   RELGATE_URL, RELGATE_TOKEN   relgate's public port, and a token with the scope read
#   PLAN, PHASE, VERSION         what is asked about
#   QUESTION                     passed: has the phase passed? (default); entry: may it begin?
#   RELGATE_TIMEOUT              how long it waits for a decision: 90s, 50m, 6h; 0s (default) asks once
#   RELGATE_DELAY                seconds between two questions (default 5)
#   RELGATE_DOTENV               file that gets the result as variables
#
# Exit codes: 0 yes, 1 fail or rollback, 2 usage, or no such plan or phase, 4 the token is refused,
# 8 pending, 69 relgate cannot be reached or does not know, 124 not decided in time.
# Only a whole answer that names this plan, phase and version and says "pass":true is a yes.
set -eu

# finish CODE VERDICT TEXT writes the result and ends the script.
finish() {
  pass=false
  if [ "$1" = 0 ]; then pass=true; fi
  printf 'relgate: %s %s %s: %s%.300s\n' "${PLAN-}" "${PHASE-}" "${VERSION-}" "$2" "${3:+: $3}" >&2
  for file in "${GITHUB_OUTPUT-}" "${RELGATE_DOTENV-}"; do
    if [ -n "$file" ]; then
      printf 'relgate_verdict=%s\nrelgate_pass=%s\nrelgate_exit_code=%s\n' "$2" "$pass" "$1" >>"$file"
    fi
  done
  exit "$1"
}

for value in "${PLAN-}" "${PHASE-}" "${VERSION-}"; do
  case $value in
    '' | *[!A-Za-z0-9._:+-]*) finish 2 unknown "PLAN, PHASE and VERSION must be set, to letters, digits and . _ : + -" ;;
  esac
done
case ${RELGATE_URL-} in
  http://* | https://*) ;;
  *) finish 2 unknown "RELGATE_URL must be set" ;;
esac
question=${QUESTION:-passed}
case $question in
  passed) view=gate ;;
  entry) view=entry ;;
  *) finish 2 unknown "QUESTION must be passed or entry" ;;
esac
limit=${RELGATE_TIMEOUT:-0s}
case $limit in
  *h) limit=${limit%h} unit=3600 ;;
  *m) limit=${limit%m} unit=60 ;;
  *) limit=${limit%s} unit=1 ;;
esac
case $limit in
  '' | *[!0-9]* | ????????*) finish 2 unknown "RELGATE_TIMEOUT must be a number with s, m or h" ;;
esac
limit=$((limit * unit))

about="{\"apiVersion\":\"gate/v1\",\"plan\":\"$PLAN\",\"phase\":\"$PHASE\",\"question\":\"$question\","
end=$(($(date +%s) + limit))
while :; do
  # The token is read from standard input, so that no list of processes shows it.
  answer=$(printf 'header = "Authorization: Bearer %s"\n' "${RELGATE_TOKEN-}" |
    curl -sS --max-time 30 -w '%{http_code}' --config - \
      "${RELGATE_URL%/}/v1/gates/$PLAN/$PHASE/$view?version=$VERSION") || answer=000
  verdict=unknown said=
  case $answer in
    "$about"*"\"version\":\"$VERSION\","*)
      verdict=${answer#*'"verdict":"'} verdict=${verdict%%'"'*}
      said=${answer#*'"headline":"'} said=${said%%'",'*}
      ;;
  esac
  case $answer in
    "$about"*"\"version\":\"$VERSION\","*'"pass":true,'*200) finish 0 pass "$said" ;;
    *400 | *404) finish 2 unknown "$answer" ;;
    *401 | *403) finish 4 unknown "$answer" ;;
    *409)
      case $verdict in
        fail | rollback) finish 1 "$verdict" "$said" ;;
      esac
      ;;
  esac
  code=69
  if [ "$verdict" = pending ]; then code=8; else verdict=unknown; fi
  if [ "$limit" = 0 ]; then finish "$code" "$verdict" "$said"; fi
  if [ "$(date +%s)" -ge "$end" ]; then finish 124 "$verdict" "not decided in time. $said"; fi
  sleep "${RELGATE_DELAY:-5}"
done
