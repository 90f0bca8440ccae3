package slack

import (
	"regexp"
	"strings"
)

// target is where a message goes and who is mentioned in it: "#ops @here @rm".
type target struct {
	channel  string   // "#ops", "C0123ABCD", "@rm", "rm@shop.example"; empty: the sink's own
	mentions []string // "@here", "@rm", "@U0123ABCD"
}

func targetOf(s string) (t target) {
	words := strings.Fields(s)
	if len(words) == 0 {
		return t
	}
	if groups[words[0]] == "" {
		t.channel, words = words[0], words[1:]
	}
	t.mentions = words
	return t
}

// groups maps what reaches many to how Slack writes it.
var groups = map[string]string{"@here": "<!here>", "@channel": "<!channel>", "@everyone": "<!everyone>"}

var (
	channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{7,}$`)
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]{7,}$`)
	teamID    = regexp.MustCompile(`^S[A-Z0-9]{7,}$`)
)

// mention writes a mention that needs no look-up; empty for one that does.
func mention(word string) string {
	id := strings.TrimPrefix(word, "@")
	switch {
	case groups[word] != "":
		return groups[word]
	case userID.MatchString(id):
		return "<@" + id + ">"
	case teamID.MatchString(id):
		return "<!subteam^" + id + ">"
	}
	return ""
}
