package prom_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/rules"
)

func TestEffects(t *testing.T) {
	now := t0
	page := func(edit func(*prom.View)) string {
		v := weighing("p")
		edit(&v)
		_, page := get(t, newExporter(&now, v).Handler())
		return page
	}
	safe := page(func(*prom.View) {})
	wantLines(t, safe,
		`relgate_effect_state{effect="alias",plan="p",rule="api-5xx",state="verified"} 1`, `relgate_effect_state{effect="alias",plan="p",rule="api-5xx",state="failed"} 0`,
		`relgate_effect_state{effect="build",plan="p",rule="api-5xx",state="intended"} 1`, `relgate_effect_state{effect="build",plan="p",rule="api-5xx",state="planned"} 0`,
		`relgate_effect_state{effect="later",plan="p",rule="api-5xx",state="planned"} 1`, `relgate_effect_state{effect="later",plan="p",rule="api-5xx",state="done"} 0`,
		`relgate_rollback_order_timestamp_seconds{plan="p"} 1.74900246e+09`, `relgate_rollback_taken_timestamp_seconds{plan="p"} 1.74900252e+09`, `relgate_rollback_safe_timestamp_seconds{plan="p"} 1.74900258e+09`,
	)
	if strings.Contains(safe, "\nrelgate_rollback_stopped_timestamp_seconds{") || strings.Contains(safe, `rule="gone"`) {
		t.Error("there is a series of what is not so")
	}
	wantLines(t, safe, `relgate_way_back_ready{effect="alias",plan="p",rule="api-5xx"} 1`, `relgate_way_back_ready{effect="build",plan="p",rule="api-5xx"} 0`, `relgate_rehearsal_timestamp_seconds{plan="p"} 1.7490024e+09`)
	bare := page(func(v *prom.View) {
		s := &v.Run.Snapshot
		s.Effects, s.State, s.Fired = fact.Effects{}, rules.RolledBack, &fact.Event{At: t0.Add(time.Minute)}
	})
	if strings.Count(safe, "\nrelgate_way_back_ready{") != 2 || strings.Contains(bare, "\nrelgate_way_back_ready{") || strings.Contains(bare, "\nrelgate_rehearsal") {
		t.Error("there is a series of what is not known")
	}
	stopped := page(func(v *prom.View) { v.Run.Snapshot.Effects.Stopped = true })
	wantLines(t, stopped, `relgate_rollback_stopped_timestamp_seconds{plan="p"} 1.74900258e+09`)
	if strings.Contains(stopped, "\nrelgate_rollback_safe_timestamp_seconds{") {
		t.Error("what has only stopped is called safe")
	}
	wantLines(t, bare, `relgate_rollback_order_timestamp_seconds{plan="p"} 1.74900246e+09`, `relgate_effect_state{effect="alias",plan="p",rule="api-5xx",state="planned"} 1`)
	none := page(func(v *prom.View) { v.Run.Snapshot.Effects = fact.Effects{} })
	for _, name := range []string{"order", "taken", "safe", "stopped"} {
		if strings.Contains(none, "\nrelgate_rollback_"+name+"_timestamp_seconds{") || strings.Contains(bare, "\nrelgate_rollback_"+name+"_timestamp_seconds{") && name != "order" {
			t.Errorf("relgate_rollback_%s is there before it is so", name)
		}
	}
}
