package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

const (
	day       = 24 * 60 * 60
	keeps     = 455 * day       // how long CloudWatch keeps periods of an hour and more
	lookAgain = 5 * time.Minute // after a look that failed
	maxLooks  = 200             // names in one look: each has up to 455 points, and an answer holds 100,800
	maxKnown  = 4096            // runs and names that are remembered
)

// A metric of failures may exist only since something failed, so a period without a
// value counts as zero where the query says so. Then a name that does not exist looks
// like a service that never fails. Once for each run such a name is looked for as far
// back as CloudWatch keeps data, by one statistic in periods of a day: it costs as
// much as asking for that metric once more.

// seenNames is what is known of names that are filled in with zeros.
type seenNames struct {
	mu     sync.Mutex
	seen   map[statistic]bool      // ever had a value
	looked map[lookedFor]time.Time // when another look may be made; zero: never
}

// lookedFor is a name in a run.
type lookedFor struct {
	run  string
	name statistic
}

// daily is a statistic as it is looked for: whether there were samples at all.
func (s statistic) daily() statistic {
	s.stat, s.above, s.period = "SampleCount", "", day
	return s
}

// lookForUnseen sets Seen and Looked of the readings with filled-in zeros, after a look where
// one is due.
func (s *Source) lookForUnseen(ctx context.Context, now time.Time, wants []sources.Want, asks []ask, answers map[statistic]*series, readings []rules.Reading) {
	var due []statistic
	var runs []lookedFor
	k := &s.known
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.seen)+len(k.looked) > maxKnown || k.seen == nil {
		k.seen, k.looked = map[statistic]bool{}, map[lookedFor]time.Time{}
	}
	for i, a := range asks {
		if !a.zeroBad {
			continue
		}
		filled := len(readings[i].Filled) > 0
		for _, st := range a.value.statistics {
			name := st.daily()
			if len(answers[st].at) > 0 {
				k.seen[name] = true
			}
			key := lookedFor{wants[i].Run, name}
			if again, before := k.looked[key]; filled && !k.seen[name] && (!before || !again.IsZero() && !now.Before(again)) {
				runs = append(runs, key)
				if !slices.Contains(due, name) {
					due = append(due, name)
				}
			}
		}
	}
	whole := map[statistic]bool{}
	for part := range slices.Chunk(due, maxLooks) {
		s.look(ctx, now, part, k.seen, whole)
	}
	for _, key := range runs {
		k.looked[key] = time.Time{}
		if !whole[key.name] {
			k.looked[key] = now.Add(lookAgain)
		}
	}
	for i, a := range asks {
		if a.zeroBad {
			s.noteSeen(&readings[i], a, wants[i].Run, now)
		}
	}
}

// noteSeen puts what is known of the names into a reading. Of several, each must have been
// seen: beside a name that is right, one that is misspelled would never be noticed.
func (s *Source) noteSeen(r *rules.Reading, a ask, run string, now time.Time) {
	r.Seen, r.Looked = true, false
	var never statistics
	for _, st := range a.value.statistics {
		name := st.daily()
		again, looked := s.known.looked[lookedFor{run, name}]
		looked = looked && again.IsZero()
		r.Seen, r.Looked = r.Seen && s.known.seen[name], r.Looked || looked
		if looked && !s.known.seen[name] {
			never = append(never, st)
		}
	}
	if len(never) == 0 || r.Note == "" {
		return
	}
	r.Note = clipped("%s was never seen in %s since %s (asked once, for one metric): its zeros prove nothing; is the name right?",
		never[0], s.region, lookFrom(now).Format(time.DateOnly))
	if len(never) > 1 {
		r.Note = clipped("%s: none of the %d was ever seen in %s since %s (asked once): their zeros prove nothing; are the names right?",
			never, len(never), s.region, lookFrom(now).Format(time.DateOnly))
	}
}

// lookFrom is how far back a look goes.
func lookFrom(now time.Time) time.Time { return time.Unix(-floor(-now.Unix(), day)-keeps, 0).UTC() }

// look asks which names had samples at any time. Those that had are put into seen,
// those that are answered for in full into whole.
func (s *Source) look(ctx context.Context, now time.Time, names []statistic, seen, whole map[statistic]bool) {
	from := lookFrom(now).Unix()
	input, byID := request(batch{stats: names, from: from, to: from + keeps}, false)
	tokens := make(map[string]bool) // :: token → already followed
	for {
		s.counters.Billed.Add(uint64(len(names)))
		out, err := amazon.Call(ctx, s.client.GetMetricData, input)
		if err != nil {
			s.log.Warn("looking for names that were never seen failed, and is tried again", "source", s.name, "err", amazon.Explain("GetMetricData", err, now).Detail)
			return
		}
		readLook(out, byID, seen, whole)
		token := aws.ToString(out.NextToken)
		if token == "" {
			break
		}
		if tokens[token] || len(tokens) == maxPages {
			clear(whole)
			return
		}
		tokens[token] = true
		input.NextToken = &token
	}
	found := 0
	for _, name := range names {
		if seen[name] {
			found++
		}
	}
	s.log.Info("looked for names without a value since CloudWatch keeps data", "source", s.name, "metrics", len(names), "seen", found)
}

// readLook takes in a page of a look.
func readLook(out *cloudwatch.GetMetricDataOutput, byID map[string]statistic, seen, whole map[statistic]bool) {
	for _, r := range out.MetricDataResults {
		name, ok := byID[aws.ToString(r.Id)]
		switch {
		case !ok:
		case len(r.Values) > 0 && len(r.Values) == len(r.Timestamps):
			seen[name], whole[name] = true, true
		case r.StatusCode == types.StatusCodeComplete && len(out.Messages)+len(r.Messages) == 0:
			whole[name] = true
		}
	}
}

// lacks is the sentence of a reading without points. It names all that may be wrong:
// a typo, a wrong dimension, a wrong unit and no traffic look alike.
func (s *Source) lacks(of sum, got *total) string {
	unit := of.statistics[0].unit
	if unit == "" {
		unit = "any"
	}
	where := fmt.Sprintf("in %s, period %s, unit %s", s.region, short(of.statistics[0].period), unit)
	switch {
	case len(got.silent) > 0:
		return fmt.Sprintf("no datapoints of %v %s", got.silent, where)
	case len(of.statistics) > 1:
		return fmt.Sprintf("no settled period with a value of all of %v %s", of, where)
	}
	return fmt.Sprintf("no datapoints of %v %s", of, where)
}

// short writes a period as people do: 1m, 90s, 2h.
func short(seconds int64) string {
	switch {
	case seconds%3600 == 0:
		return fmt.Sprintf("%dh", seconds/3600)
	case seconds%60 == 0:
		return fmt.Sprintf("%dm", seconds/60)
	}
	return fmt.Sprintf("%ds", seconds)
}
