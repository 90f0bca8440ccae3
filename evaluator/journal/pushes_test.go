package journal_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/journal"
)

// pushAt is a push at a second, that says texts of alerts: "a=on".
func pushAt(second int64, key string, said ...string) journal.Push {
	p := journal.Push{Key: key, At: time.Unix(second, 0).UTC()}
	for _, s := range said {
		alert, state, _ := strings.Cut(s, "=")
		p.Alerts = append(p.Alerts, journal.Pushed{Alert: alert, Said: []byte(`"` + state + `"`)})
	}
	return p
}

// keepAll keeps pushes, and gives which were new.
func keepAll(t *testing.T, j *journal.Journal, source string, list ...journal.Push) (kept []bool) {
	t.Helper()
	for _, p := range list {
		ok, err := j.KeepPush(t.Context(), source, p)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, ok)
	}
	return kept
}

// pushed lists what was pushed since a second: "20: a=on b=off".
func pushed(t *testing.T, j *journal.Journal, source string, since int64) (list []string) {
	t.Helper()
	got, err := j.Pushes(t.Context(), source, time.Unix(since, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got {
		text := fmt.Sprintf("%d:", p.At.Unix())
		for _, a := range p.Alerts {
			text += fmt.Sprintf(" %s=%s", a.Alert, strings.Trim(string(a.Said), `"`))
		}
		list = append(list, text)
	}
	return list
}

func checkPushed(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// Pushes are kept with what they say, once for a key, and read from a time on with what
// was said last before it.
func TestPushesAreKept(t *testing.T) {
	c := with(t, nil)
	j := open(t, c)
	kept := keepAll(t, j, "am", pushAt(10, "k1", "a=on"), pushAt(20, "k1", "a=off"), pushAt(20, "", "b=on", "b=off", "a=on"), pushAt(30, ""), pushAt(40, "k2", "a=off"), pushAt(40, "", "c=on"))
	if want := []bool{true, false, true, true, true, true}; !slices.Equal(kept, want) {
		t.Errorf("kept %v, want %v", kept, want)
	}
	if kept := keepAll(t, j, "other", pushAt(15, "k1", "a=on")); !kept[0] {
		t.Error("a key of another source was taken for the same")
	}
	all := []string{"10: a=on", "20: a=on b=off", "30:", "40: a=off", "40: c=on"}
	checkPushed(t, "all", pushed(t, j, "am", 0), all...)
	checkPushed(t, "since 25", pushed(t, j, "am", 25), "20: a=on b=off", "30:", "40: a=off", "40: c=on")
	checkPushed(t, "since 50", pushed(t, j, "am", 50), "20: b=off", "40: a=off", "40: c=on")
	checkPushed(t, "of no source", pushed(t, j, "none", 0))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	j = open(t, c)
	checkPushed(t, "after a restart", pushed(t, j, "am", 0), all...)
	if err := j.PrunePushes(t.Context(), time.Unix(40, 0)); err != nil {
		t.Fatal(err)
	}
	checkPushed(t, "pruned", pushed(t, j, "am", 0), "20: a=on b=off", "40: a=off", "40: c=on")
	if err := j.PrunePushes(t.Context(), time.Unix(100, 0)); err != nil {
		t.Fatal(err)
	}
	keepAll(t, j, "am", pushAt(110, "k2", "c=off"))
	checkPushed(t, "after all were pruned", pushed(t, j, "am", 0), "20: b=off", "40: a=off", "40: c=on", "110: c=off")
}

// A journal of form 1 takes pushes once it is upgraded, and says before what to do.
func TestPushesOfAnOlderForm(t *testing.T) {
	c := form1(t)
	c.ReadOnly = true
	j := open(t, c)
	if _, err := j.Pushes(t.Context(), "am", time.Time{}); err == nil || !strings.Contains(err.Error(), "start relgate on it once") {
		t.Errorf("got %v, want what to do", err)
	}
	if _, err := j.KeepPush(t.Context(), "am", pushAt(10, "")); err == nil {
		t.Error("a push was kept by a journal that is read only")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	c.ReadOnly = false
	j = open(t, c)
	keepAll(t, j, "am", pushAt(10, "", "a=on"))
	checkPushed(t, "upgraded", pushed(t, j, "am", 0), "10: a=on")
}

// A journal of form 2, which is one of this form without pushes, answers and links, is upgraded too.
func TestAJournalOfForm2GoesOn(t *testing.T) {
	c := with(t, nil)
	j := open(t, c)
	if _, err := fill(j, 0, 2); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"DROP TABLE kept", "DROP TABLE pushed", "DROP TABLE pushes", "ALTER TABLE ticks DROP COLUMN link", "UPDATE meta SET form = 2"} {
		c = execute(t, c, statement)
	}
	j = open(t, c)
	if r, err := j.Recover(t.Context(), "p"); err != nil || len(r.Later) != 2 {
		t.Errorf("got %+v, %v; want two ticks", r, err)
	}
	keepAll(t, j, "am", pushAt(10, "", "a=on"))
	checkPushed(t, "upgraded", pushed(t, j, "am", 0), "10: a=on")
	if n := queried(t, c.Path, "SELECT form FROM meta"); n != 5 {
		t.Errorf("it has form %d", n)
	}
}

// A push is kept by the journal at its path, or not at all: one that was moved, or opened
// again elsewhere, would lose it.
func TestAPushIsKeptWhereItIsFoundAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be moved")
	}
	c := with(t, nil)
	j := open(t, c)
	keepAll(t, j, "am", pushAt(10, "", "a=on"))
	move(t, c.Path, c.Path+".away")
	if kept, err := j.KeepPush(t.Context(), "am", pushAt(20, "", "a=off")); kept || !errors.Is(err, journal.ErrMoved) {
		t.Errorf("moved away: got %v, %v; want ErrMoved", kept, err)
	}
	move(t, c.Path+".away", c.Path)
	execute(t, c, "UPDATE meta SET epoch = epoch + 1")
	if kept, err := j.KeepPush(t.Context(), "am", pushAt(30, "", "a=off")); kept || !errors.Is(err, journal.ErrFenced) {
		t.Errorf("opened elsewhere: got %v, %v; want ErrFenced", kept, err)
	}
	if err := j.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkPushed(t, "what was kept", pushed(t, j, "am", 0), "10: a=on")
	keepAll(t, j, "am", pushAt(40, "", "a=off"))
}

// What was said of an alert is forgotten alone, and its pushes stay known.
func TestWhatWasPushedOfAnAlertIsForgotten(t *testing.T) {
	j := open(t, with(t, nil))
	keepAll(t, j, "am", pushAt(10, "k1", "a=on", "b=on"), pushAt(20, "", "a=off"))
	keepAll(t, j, "other", pushAt(10, "", "a=on"))
	if err := j.ForgetPushed(t.Context(), "am", "a"); err != nil {
		t.Fatal(err)
	}
	checkPushed(t, "of the source", pushed(t, j, "am", 50), "10: b=on")
	checkPushed(t, "of the other", pushed(t, j, "other", 50), "10: a=on")
	if kept := keepAll(t, j, "am", pushAt(30, "k1", "a=on")); kept[0] {
		t.Error("a push was kept a second time")
	}
}

// What was read last is given again only while it is still so: whatever is written and asked
// in whichever order, the answer is that of another reader, who reads it anew.
func TestPushesThatAreKnownAreThoseThatAreThere(t *testing.T) {
	c := with(t, nil)
	j := open(t, c)
	c.ReadOnly = true
	other := open(t, c)
	draw := rand.New(rand.NewPCG(1, 2))
	sources, alerts := []string{"am", "grafana"}, []string{"a", "b", "c"}
	for i := range 600 {
		now, source := int64(100+i), sources[draw.IntN(2)]
		switch alert := alerts[draw.IntN(3)]; draw.IntN(12) {
		case 0, 1:
			keepAll(t, j, source, pushAt(now-draw.Int64N(5), "", fmt.Sprintf("%s=%d", alert, i)))
		case 2:
			if err := j.PrunePushes(t.Context(), time.Unix(now-60, 0)); err != nil {
				t.Fatal(err)
			}
		case 3:
			if err := j.ForgetPushed(t.Context(), source, alert); err != nil {
				t.Fatal(err)
			}
		}
		since := now - 30 + draw.Int64N(10)
		checkPushed(t, fmt.Sprintf("step %d, %s since %d", i, source, since), pushed(t, j, source, since), pushed(t, other, source, since)...)
		if t.Failed() {
			return
		}
	}
}
