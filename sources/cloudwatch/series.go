package cloudwatch

import (
	"fmt"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/internal/amazon"
)

// series is what CloudWatch said of one statistic.
type series struct {
	at      map[int64]float64 // :: bucket start → value
	rank    bool              // an exceedance was asked for as a percentile rank
	failure amazon.Failure    // why at is not the whole truth; OK when it is
	ref     string            // request id

	seen   bool
	status types.StatusCode // of the newest page that had the Id
}

// blame keeps the worse of two failures.
func (s *series) blame(fault rules.Fault, detail string) {
	if severity(fault) > severity(s.failure.Fault) {
		s.failure = amazon.Failure{Fault: fault, Detail: amazon.Scrub(detail)}
	}
}

// severity orders the faults by how little is left to trust.
func severity(f rules.Fault) int {
	switch f {
	case rules.OK:
		return 0
	case rules.PartialData:
		return 1
	case rules.Unavailable:
		return 2
	case rules.Throttled:
		return 3
	case rules.ConfigFault:
		return 4
	}
	return 5
}

// slack is how far before the range a bucket may begin: CloudWatch rounds the
// start of a question about old data down, by up to an hour.
const slack = 3600

// answer is one GetMetricData while its pages come in.
type answer struct {
	byID map[string]statistic
	got  map[string]*series // :: Id → what came
	ref  string

	from, to int64 // the range that was asked for
}

func newAnswer(b batch, byID map[string]statistic, rank bool) *answer {
	a := &answer{from: b.from, to: b.to, byID: byID, got: make(map[string]*series, len(byID))}
	for id := range byID {
		a.got[id] = &series{at: make(map[int64]float64), rank: rank}
	}
	return a
}

// add takes in a page. An Id that was on an earlier page goes on: it is
// appended to, never replaced.
func (a *answer) add(out *cloudwatch.GetMetricDataOutput) {
	for _, r := range out.MetricDataResults {
		id := aws.ToString(r.Id)
		if s := a.got[id]; s != nil {
			s.add(r, a.byID[id], a.from, a.to)
		}
	}
	for _, m := range out.Messages {
		a.cut(fmt.Sprintf("%s: %s", aws.ToString(m.Code), aws.ToString(m.Value)))
	}
}

// cut says that the answer as a whole is not complete.
func (a *answer) cut(why string) {
	for _, s := range a.got {
		s.blame(rules.PartialData, why)
	}
}

func (s *series) add(r types.MetricDataResult, st statistic, from, to int64) {
	s.seen, s.status = true, r.StatusCode
	for _, m := range r.Messages {
		code, text := aws.ToString(m.Code), aws.ToString(m.Value)
		if code == "MultipleUnits" {
			// CloudWatch has picked one of them: the numbers may be off by a thousand.
			s.blame(rules.ConfigFault, fmt.Sprintf("%v: %s: say which unit is meant", st, text))
			continue
		}
		s.blame(rules.PartialData, fmt.Sprintf("%v: %s: %s", st, code, text))
	}
	if r.StatusCode == types.StatusCodeForbidden {
		s.blame(rules.AuthFault, fmt.Sprintf("%v: forbidden", st))
	}
	if len(r.Timestamps) != len(r.Values) {
		s.blame(rules.Unavailable, fmt.Sprintf("%v: %d timestamps for %d values", st, len(r.Timestamps), len(r.Values)))
		return
	}
	for i, t := range r.Timestamps {
		if at := t.Unix(); at < from-slack || at >= to {
			// A null reads as a time of long ago. Whose value it was, nobody knows.
			s.blame(rules.PartialData, fmt.Sprintf("%v: a bucket at %d was not asked for", st, at))
			continue
		}
		s.put(t.Unix(), r.Values[i], st)
	}
}

// put keeps one value if it can be one of this statistic.
func (s *series) put(at int64, v float64, st statistic) {
	counts := st.above != "" || st.stat == "SampleCount"
	switch {
	case math.IsNaN(v), math.IsInf(v, 0), counts && v < 0:
		s.blame(rules.PartialData, fmt.Sprintf("%v: %v is not a value", st, v))
		return
	case at%st.period != 0:
		s.blame(rules.PartialData, fmt.Sprintf("%v: a bucket at %d is not aligned to %d s", st, at, st.period))
		return
	}
	if old, ok := s.at[at]; ok && old != v {
		s.blame(rules.PartialData, fmt.Sprintf("%v: two values for the bucket at %d", st, at))
	}
	s.at[at] = v
}

// into hands the series over, each with the fault that its last status means.
// An answer that names nothing of what was asked is no answer of CloudWatch: a
// proxy's empty 200 reads so.
func (a *answer) into(answers map[statistic]*series) amazon.Failure {
	any := false
	for id, s := range a.got {
		s.finish(a.byID[id])
		s.ref = a.ref
		any = any || s.seen
	}
	if !any {
		return amazon.Failure{
			Fault:  rules.Unavailable,
			Detail: fmt.Sprintf("GetMetricData: an answer that names none of the %d metrics asked for", len(a.byID)),
		}
	}
	for id, s := range a.got {
		answers[a.byID[id]] = s
	}
	return amazon.Failure{}
}

func (s *series) finish(st statistic) {
	switch {
	case !s.seen:
		s.blame(rules.PartialData, fmt.Sprintf("%v: not in the answer", st))
	case s.status == types.StatusCodeComplete:
	case s.status == types.StatusCodeInternalError:
		s.blame(rules.Unavailable, fmt.Sprintf("%v: internal error of CloudWatch", st))
	case s.status == types.StatusCodeForbidden: // blamed when it came
	default:
		s.blame(rules.PartialData, fmt.Sprintf("%v: status %q", st, string(s.status)))
	}
}
