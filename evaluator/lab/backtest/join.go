package backtest

import "slices"

// Join makes one history of several, such as two fortnights'. Of a question that
// more than one was asked, what any knows is known, and where several do the one
// that was fetched last counts. A stretch that none was asked for is a gap. It
// gives nil for none.
func Join(histories ...*History) *History {
	list := slices.Clone(histories)
	slices.SortStableFunc(list, func(a, b *History) int { return a.Fetched.Compare(b.Fetched) })
	var out *History
	for _, h := range list {
		if out == nil {
			one := *h
			one.Series = slices.Clone(h.Series)
			out = &one
			continue
		}
		out.add(h)
	}
	return out
}

// add joins a history that was fetched later.
func (h *History) add(later *History) {
	for _, s := range later.Series {
		if i := slices.IndexFunc(h.Series, func(x Series) bool { return x.Key == s.Key }); i >= 0 {
			h.Series[i] = joined(h.Series[i], s)
		} else {
			h.Series = append(h.Series, s)
		}
	}
	if later.From.Before(h.From) {
		h.From = later.From
	}
	if later.To.After(h.To) {
		h.To = later.To
	}
	h.Fetched = later.Fetched
}

// joined is the series of one question that was asked twice.
func joined(old, fresh Series) Series {
	switch {
	case old.None != "":
		return fresh
	case fresh.None != "":
		return old
	}
	out := fresh
	out.From, out.To = min(old.From, fresh.From), max(old.To, fresh.To)
	if old.Width != fresh.Width {
		old.Gaps = []Gap{{From: old.From, To: old.To, Detail: "periods of another length than the rest"}}
		old.Points, old.Parts = nil, nil
	}
	out.Points = slices.Concat(old.Points, fresh.Points)
	out.Parts = slices.Concat(fresh.Parts, old.Parts) // sort keeps the first of a period's groups
	out.Gaps = nil
	edges := []int64{old.From, old.To, fresh.From, fresh.To}
	for _, g := range slices.Concat(old.Gaps, fresh.Gaps) {
		edges = append(edges, g.From, g.To)
	}
	slices.Sort(edges)
	for i := 1; i < len(edges); i++ {
		from, to := edges[i-1], edges[i]
		a, missing := old.hole(from, to)
		b, missingToo := fresh.hole(from, to)
		if from < to && missing && missingToo {
			out.gap(from, to, gapWords(a, b))
		}
	}
	out.sort()
	unseen := func(s *Series) bool { return s.Unseen || len(s.Points) == 0 }
	out.Unseen = len(out.Points) > 0 && unseen(&old) && unseen(&fresh)
	return out
}

// gapWords says why a stretch is known to neither of two histories.
func gapWords(a, b Gap) string {
	for _, g := range [...]Gap{b, a} {
		if g.Detail != begins && g.Detail != ends {
			return g.Detail
		}
	}
	return "no history was kept of it"
}
