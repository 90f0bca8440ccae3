package rules

import (
	"encoding/json"
	"errors"
	"strings"
)

// Several is one text, or a list of them: a key may have either. One is written and
// kept as a text, so that a key which once had no list reads back what it kept.
type Several []string

var errSeveral = errors.New(`want a string in quotes, or several in brackets: ["a", "b"]`)

// UnmarshalTOML reads a string, or an array of strings. An empty string is none.
func (s *Several) UnmarshalTOML(value any) error {
	switch v := value.(type) {
	case string:
		*s = nil
		if v != "" {
			*s = Several{v}
		}
		return nil
	case []any:
		all := make(Several, 0, len(v))
		for _, element := range v {
			text, ok := element.(string)
			if !ok {
				return errSeveral
			}
			all = append(all, text)
		}
		*s = all
		return nil
	}
	return errSeveral
}

// MarshalJSON writes a string where there is one.
func (s Several) MarshalJSON() ([]byte, error) {
	if len(s) == 1 {
		return json.Marshal(s[0])
	}
	return json.Marshal([]string(s))
}

// UnmarshalJSON reads a string, or an array of strings.
func (s *Several) UnmarshalJSON(text []byte) error {
	var one string
	if err := json.Unmarshal(text, &one); err == nil {
		*s = nil
		if one != "" {
			*s = Several{one}
		}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(s))
}

// String is the texts as a sum: "a + b".
func (s Several) String() string { return strings.Join(s, " + ") }
