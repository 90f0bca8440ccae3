package rules

import "testing"

func TestUnsafeCharactersHaveAClass(t *testing.T) {
	for text, want := range map[string]string{
		"API 5xx 5.0 % > 3 %": "", "Größe, 大": "", "a\tb": "a control character", "a\nb": "a line break", "a\rb": "a line break", "a\u2028b": "a line break",
		"\x1b[2J": "the escape character", "a\u009bb": "the escape character", "a\x00b": "a control character", "a\x7fb": "a control character",
		"a\u202eb": "a bidirectional control", "a\u2066b": "a bidirectional control", "a\u200fb": "a bidirectional control", "a\xffb": "text that is not UTF-8",
		"a\u200bb": "an invisible character", "a\u200db": "an invisible character", "a\u2060b": "an invisible character", "\ufeffa": "an invisible character", "a\u00adb": "an invisible character",
		"a\U000E0041b": "an invisible character", "a\u3164b": "an invisible character", "a\u034fb": "an invisible character", "\u0600": "", "🚀 ❤️": "",
		"👩\u200d🚀 ❤️\u200d🔥 👩🏽\u200d💻 🏳️\u200d⚧️": "", // one picture each
		"🚀\u200d": "an invisible character", "\u200d🚀": "an invisible character", "🚀\u200da": "an invisible character", "a\u200d🚀": "an invisible character", "🚀\u200d\u200d🚀": "an invisible character",
	} {
		if got := UnsafeIn(text); got != want {
			t.Errorf("%q holds %q, want %q", text, got, want)
		}
	}
}

func TestOneLineKeepsWhatIsSafe(t *testing.T) {
	for text, want := range map[string]string{
		"Größe, 大": "Größe, 大", "a\nb\x1b[2K\u202ec\u200bd": "a b [2K c d", "a\xffb": "a\uFFFDb", "": "",
	} {
		if got := OneLine(text); got != want || UnsafeIn(got) != "" {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
