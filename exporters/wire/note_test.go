package wire

import (
	"reflect"
	"testing"
	"time"
)

// What people are told of a message of a plan, and of any other event.
func TestNotes(t *testing.T) {
	at := time.Date(2025, 6, 4, 4, 0, 0, 0, time.FixedZone("", 7200))
	event := EventBody{
		Type: "relgate.rule.fired", Run: "shop@1.2.0", Plan: "shop", Version: "1.2.0", Phase: "ten", At: &at,
		Headline: "ROLLBACK:\n errors", Sentence: "552 failed.", Detail: []string{"more"}, Owner: "ops", Action: "revert", Command: "revert --now",
	}
	message := event
	message.Phase, message.Message = "", &Message{Subject: "Deploy", Text: "It is\nstarting", Link: "https://shop.example"}
	bare := message
	bare.Message = &Message{Text: "text"}
	for _, tt := range []struct {
		name string
		site Site
		e    EventBody
		want Note
	}{
		{"an event", Site{Base: "https://relgate.example"}, event, Note{
			Title: "ROLLBACK: errors", Text: "552 failed.", Detail: []string{"more"}, Do: Do{Action: "revert", Command: "revert --now", Owner: "ops"},
			Context: "shop 1.2.0 | ten | 2025-06-04 02:00 UTC", Link: "https://relgate.example/v1/runs/shop@1.2.0",
		}},
		{"a message", Site{Base: "https://relgate.example"}, message, Note{Title: "Deploy", Text: "It is\nstarting", Context: "shop 1.2.0 | 2025-06-04 02:00 UTC", Link: "https://shop.example"}},
		{"a message without subject and link", Site{}, bare, Note{Title: "ROLLBACK: errors", Text: "text", Context: "shop 1.2.0 | 2025-06-04 02:00 UTC"}},
		{"next to nothing", Site{}, EventBody{Type: "relgate.x.y"}, Note{Title: "relgate.x.y"}},
		{"nothing", Site{}, EventBody{}, Note{Title: "relgate"}},
	} {
		if got := tt.site.Note(&tt.e); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.name, got, tt.want)
		}
	}
}

// A message that may have arrived before says so, whatever else it says.
func TestARepetitionIsMarked(t *testing.T) {
	const mark = "this may be here twice: relgate does not know whether it arrived before"
	if got := (Note{}).Repeated().Context; got != mark {
		t.Errorf("got %q", got)
	}
	if got := (Note{Context: "shop"}).Repeated().Context; got != "shop | "+mark {
		t.Errorf("got %q", got)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text string
		most int
		want string
	}{
		{"", 0, ""}, {"über", 4, "über"}, {"über", 3, "üb…"}, {"a b c", 3, "a…"}, {"abc", 1, "…"}, {"abc", 0, ""}, {"abc", -1, ""},
	} {
		if got := Cut(tt.text, tt.most); got != tt.want {
			t.Errorf("Cut(%q, %d): got %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
}
