package words

import "github.com/relgate/relgate/evaluator/fact"

// unseen says that a rule has only zeros which prove nothing, and what to do about it.
// What the source says of the name is the best that there is.
func (s *speaker) unseen() Text {
	title := s.title()
	if s.view.Why.Code == fact.WhyNotSeenYet {
		return Text{
			Headline: headline(s.verb(), title+": zeros of a name that was not seen yet"),
			Sentence: sentence(title + ": zeros stand for its values, and its source has not looked yet whether the name was ever seen"),
		}
	}
	note := s.ev.Note
	if note == "" {
		note = "the name behind its zeros was never seen, so they prove nothing: is it right?"
	}
	return Text{
		Headline: headline(s.verb(), title+": zeros of a name that was never seen"),
		Sentence: sentence(title+": "+note, "If the service never failed, write assume_seen = true on signal "+s.sig.Name),
	}
}
