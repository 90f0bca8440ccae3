#!/bin/sh
# gate-step.sh runs gate.sh as a step of GitHub Actions: with an annotation, a line in the summary, and
# pending as neutral where that is asked for.
set -u
here=$(dirname "$0")
case ${PENDING:-fail} in
  fail | neutral) ;;
  *) echo "::error title=relgate::pending must be fail or neutral"; exit 2 ;;
esac
said=$(sh "$here/gate.sh" 2>&1)
code=$?
# One line, whose signs GitHub does not take for a command.
said=$(printf '%s' "$said" | tr '\r\n' '  ' | sed 's/%/%25/g; s/::/: :/g')
level=error
case $code in
  0) level=notice ;;
  8 | 69) level=warning ;;
esac
echo "::$level title=relgate::$said"
if [ -n "${GITHUB_STEP_SUMMARY-}" ]; then
  printf '    %s\n' "$said" >>"$GITHUB_STEP_SUMMARY"
fi
if [ "$code" = 8 ] && [ "${PENDING:-fail}" = neutral ]; then exit 0; fi
exit "$code"
