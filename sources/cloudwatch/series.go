package cloudwatch

import (
	"fmt"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
)

// series is what CloudWatch said of one statistic.
type series struct {
	at      map[int64]float64 // :: period start → value
	counted bool              // an exceedance was asked for as a trimmed count
	failure amazon.Failure    // why at is incomplete or wrong; OK if it is neither
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

// severity orders the faults: the higher, the less can be trusted.
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

// slack is how far before the range a period may begin: CloudWatch rounds the
// start of a question about old data down, by up to an hour.
const slack = 3600

// answer is one GetMetricData while its pages come in.
type answer struct {
	byID map[string]statistic
	got  map[string]*series // :: Id → what came
	ref  string

	from, to int64 // the range that was asked for
}

func newAnswer(b batch, byID map[string]statistic, counted bool) *answer {
	a := &answer{from: b.from, to: b.to, byID: byID, got: make(map[string]*series, len(byID))}
	for id := range byID {
		a.got[id] = &series{at: make(map[int64]float64), counted: counted}
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

// cut marks the whole answer as incomplete.
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
			// CloudWatch picked one of several units: the numbers may be wrong by a factor of 1,000.
			s.blame(rules.ConfigFault, fmt.Sprintf("%v: %s: set the query's unit", st, text))
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
			// A null reads as a time of long ago. Its value cannot be assigned to a period.
			s.blame(rules.PartialData, fmt.Sprintf("%v: a period at %d was not asked for", st, at))
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
		s.blame(rules.PartialData, fmt.Sprintf("%v: a period at %d is not aligned to %d s", st, at, st.period))
		return
	}
	if old, ok := s.at[at]; ok && old != v {
		s.blame(rules.PartialData, fmt.Sprintf("%v: two values for the period at %d", st, at))
	}
	s.at[at] = v
}

// into hands over the series, each with the fault of its last status. An answer
// that names none of the metrics asked for is not CloudWatch's: a proxy's empty
// 200 looks like that.
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
			Detail: fmt.Sprintf("GetMetricData: the answer names none of the %d metrics asked for", len(a.byID)),
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
	case s.status == types.StatusCodeForbidden: // recorded when it came
	default:
		s.blame(rules.PartialData, fmt.Sprintf("%v: status %q", st, string(s.status)))
	}
}
