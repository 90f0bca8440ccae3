package slacktest

import (
	"fmt"
	"regexp"
	"strings"
)

// control is what Slack reads between angle brackets: mentions and links.
var control = regexp.MustCompile(`<(!here|!channel|!everyone|!subteam\^S[A-Z0-9]+|@[UW][A-Z0-9]+|https?://[^<>|\s]+)>`)

// entity is the only place for an ampersand.
var entity = regexp.MustCompile(`&(amp|lt|gt);`)

// raw reports a character that was to be escaped.
func raw(text string) bool {
	return strings.ContainsAny(entity.ReplaceAllString(control.ReplaceAllString(text, ""), ""), "<>&")
}

func length(s string) int { return len([]rune(s)) }

// checkBlocks reports what Block Kit does not take.
func checkBlocks(text string, blocks []map[string]any) (wrong []string) {
	fail := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if length(text) > 4000 || raw(text) {
		fail("text of %d characters: %.100s", length(text), text)
	}
	if len(blocks) == 0 || len(blocks) > 50 {
		fail("%d blocks", len(blocks))
	}
	for i, b := range blocks {
		at := fmt.Sprintf("block %d", i)
		keys := func(o map[string]any, known ...string) {
			for key := range o {
				if !strings.Contains(" "+strings.Join(known, " ")+" ", " "+key+" ") {
					fail("%s: unknown key %s", at, key)
				}
			}
		}
		object := func(v any, most int, kinds ...string) {
			t, _ := v.(map[string]any)
			kind, _ := t["type"].(string)
			said, _ := t["text"].(string)
			if !strings.Contains(strings.Join(kinds, " "), kind) || kind == "" {
				fail("%s: text of type %q", at, kind)
			}
			if said == "" || length(said) > most || raw(said) {
				fail("%s: text of %d characters, at most %d, or with what is not escaped: %.100s", at, length(said), most, said)
			}
			if kind == "plain_text" {
				keys(t, "type", "text", "emoji")
				if control.MatchString(said) {
					fail("%s: a mention in plain text", at)
				}
			} else {
				keys(t, "type", "text", "verbatim")
			}
		}
		switch b["type"] {
		case "header":
			keys(b, "type", "text", "block_id")
			object(b["text"], 150, "plain_text")
		case "section":
			keys(b, "type", "text", "block_id", "fields", "accessory", "expand")
			object(b["text"], 3000, "plain_text", "mrkdwn")
		case "context":
			keys(b, "type", "elements", "block_id")
			elements, _ := b["elements"].([]any)
			if len(elements) == 0 || len(elements) > 10 {
				fail("%s: %d elements", at, len(elements))
			}
			for _, e := range elements {
				object(e, 2000, "plain_text", "mrkdwn")
			}
		case "actions":
			keys(b, "type", "elements", "block_id")
			elements, _ := b["elements"].([]any)
			if len(elements) == 0 || len(elements) > 25 {
				fail("%s: %d elements", at, len(elements))
			}
			for _, e := range elements {
				o, _ := e.(map[string]any)
				keys(o, "type", "text", "action_id", "url", "value", "style", "accessibility_label")
				object(o["text"], 75, "plain_text")
				link, _ := o["url"].(string)
				action, _ := o["action_id"].(string)
				if o["type"] != "button" || length(link) > 3000 || action == "" || length(action) > 255 {
					fail("%s: %v", at, o)
				}
			}
		default:
			fail("%s: type %v", at, b["type"])
		}
	}
	return wrong
}
