package outbox_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// An endpoint that is down for hours with many orders does not fill the log: each
// message comes at most 20 times a minute, and the lines that were left out are counted.
func TestTheLogIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := newScript(always(failed)), outboxtest.New()
		var log bytes.Buffer
		a, people := endpoint(outbox.Action, s), second(s)
		a.EscalateTo, people.Plans = "b", []string{"another"}
		b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{a, people}, Feed: f, Log: slog.New(slog.NewTextHandler(&log, nil))})
		stop := outboxtest.Start(t, b)
		for i := range 300 {
			f.Commit(t, fact.Event{Plan: fmt.Sprint("P", i), Kind: fact.RunEvent, To: "rolled_back"})
		}
		time.Sleep(30 * time.Minute)
		stop()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if most := 30*20*2 + 20; len(lines) > most || len(lines) < 600 {
			t.Errorf("%d lines in half an hour, want at most %d", len(lines), most)
		}
		said := 0
		for _, line := range lines {
			if !strings.Contains(line, "order not delivered") {
				continue
			}
			said++
			if left := regexp.MustCompile(`left_out=(\d+)`).FindStringSubmatch(line); left != nil {
				n, _ := strconv.Atoi(left[1])
				said += n
			}
		}
		if tried := len(s.at("a")); said > tried || said < tried*9/10 {
			t.Errorf("the log tells of %d failures, want nearly all of %d", said, tried)
		}
	})
}
