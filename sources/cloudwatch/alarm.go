package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
)

const maxAlarms = 100 // names in one DescribeAlarms, by CloudWatch's limit

// alarmState is what DescribeAlarms says of one alarm.
type alarmState struct {
	value      types.StateValue
	evaluation types.EvaluationState // set if the state cannot be trusted
	since      time.Time             // when value was entered; zero when not said
	reason     string
	ref        string
	failure    amazon.Failure
}

// alarmTypes are all that CloudWatch has; an older endpoint knows the first two.
// Without a list DescribeAlarms gives metric alarms only, and what it does not give
// looks like a name that does not exist.
var alarmTypes = []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm, types.AlarmTypeLogAlarm}

// alarms asks for the state of all alarms that the asks name. Every name has an
// entry in the result.
func (s *Source) alarms(ctx context.Context, now time.Time, asks []ask) map[string]*alarmState {
	states := make(map[string]*alarmState)
	var names []string
	for _, a := range asks {
		if a.alarm != "" && !slices.Contains(names, a.alarm) {
			names = append(names, a.alarm)
		}
	}
	slices.Sort(names)
	for part := range slices.Chunk(names, maxAlarms) {
		f := s.described(ctx, now, part, states)
		for _, name := range part {
			if f.Fault != rules.OK {
				states[name] = &alarmState{failure: f}
			} else if states[name] == nil {
				states[name] = s.missing(name)
			}
		}
	}
	return states
}

func (s *Source) missing(name string) *alarmState {
	kinds := "metric, composite and log alarms"
	if s.fewer.Load() {
		kinds = "metric and composite alarms, and this endpoint knows no log alarms"
	}
	return &alarmState{failure: amazon.Failure{
		Fault: rules.ConfigFault, Detail: clipped("alarm %q not found in %s among %s: is the name right?", name, s.region, kinds),
	}}
}

// described asks for alarms of all types. An endpoint that does not know them all is
// asked once more, for those that it knows.
func (s *Source) described(ctx context.Context, now time.Time, names []string, states map[string]*alarmState) amazon.Failure {
	if s.fewer.Load() {
		return s.describe(ctx, now, names, alarmTypes[:2], states)
	}
	f := s.describe(ctx, now, names, alarmTypes, states)
	if f.Fault != rules.ConfigFault || !strings.Contains(strings.ToLower(f.Detail), "alarmtype") && !strings.Contains(f.Detail, "LogAlarm") {
		return f
	}
	s.fewer.Store(true)
	s.log.Warn("log alarms refused, asking for metric and composite ones", "source", s.name, "err", f.Detail)
	return s.describe(ctx, now, names, alarmTypes[:2], states)
}

// describe reads the states of at most 100 alarms, page by page.
func (s *Source) describe(ctx context.Context, now time.Time, names []string, kinds []types.AlarmType, states map[string]*alarmState) amazon.Failure {
	input := &cloudwatch.DescribeAlarmsInput{AlarmNames: names, AlarmTypes: kinds, MaxRecords: aws.Int32(maxAlarms)}
	tokens := make(map[string]bool) // :: token → already followed
	for page := 0; ; page++ {
		out, err := amazon.Call(ctx, s.client.DescribeAlarms, input)
		if err != nil {
			return amazon.Explain("DescribeAlarms", err, now)
		}
		take(out, states)
		token := aws.ToString(out.NextToken)
		if token == "" {
			return amazon.Failure{}
		}
		if tokens[token] || page == maxPages {
			return amazon.Failure{Fault: rules.PartialData, Detail: "DescribeAlarms: the answer's pages form a loop"}
		}
		tokens[token] = true
		input.NextToken = &token
	}
}

func take(out *cloudwatch.DescribeAlarmsOutput, states map[string]*alarmState) {
	ref, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
	for _, a := range out.MetricAlarms {
		states[aws.ToString(a.AlarmName)] = &alarmState{
			value: a.StateValue, evaluation: a.EvaluationState, since: since(a.StateTransitionedTimestamp, a.StateUpdatedTimestamp),
			reason: aws.ToString(a.StateReason), ref: ref,
		}
	}
	for _, a := range out.CompositeAlarms {
		states[aws.ToString(a.AlarmName)] = &alarmState{
			value: a.StateValue, since: since(a.StateTransitionedTimestamp, a.StateUpdatedTimestamp),
			reason: aws.ToString(a.StateReason), ref: ref,
		}
	}
	for _, a := range out.LogAlarms {
		states[aws.ToString(a.AlarmName)] = &alarmState{
			value: a.StateValue, evaluation: a.EvaluationState, since: since(a.StateTransitionedTimestamp, a.StateUpdatedTimestamp),
			reason: aws.ToString(a.StateReason), ref: ref,
		}
	}
}

// since is when the state was entered. If that is missing, the time of the last
// update is used: it is never earlier, so it is safe.
func since(transitioned, updated *time.Time) time.Time {
	if transitioned != nil {
		return *transitioned
	}
	return aws.ToTime(updated)
}

// fill makes a reading of a state: it holds for every whole period since it was
// entered. What was before is not known.
func (s *alarmState) fill(r *rules.Reading, a ask, now time.Time) {
	r.Ref = s.ref
	if s.failure.Fault != rules.OK {
		fail(r, s.failure)
		return
	}
	switch s.evaluation {
	case "":
	case types.EvaluationStatePartialData:
		r.Fault, r.Detail = rules.PartialData, clipped("alarm %q is evaluated on partial data", a.alarm)
		return
	default:
		r.Fault, r.Detail = rules.Unavailable, clipped("alarm %q is not evaluated: %s", a.alarm, s.evaluation)
		return
	}
	level := 0.0
	switch s.value {
	case types.StateValueOk:
	case types.StateValueAlarm:
		level = 1
		r.Note = amazon.Clip(scrub(fmt.Sprintf("%s: %s", a.alarm, s.reason)), 200)
	case types.StateValueInsufficientData:
		r.Fault, r.Detail = rules.NoData, clipped("alarm %q: INSUFFICIENT_DATA: %s", a.alarm, s.reason)
		return
	default:
		r.Fault, r.Detail = rules.Unavailable, clipped("alarm %q: unknown state %q", a.alarm, s.value)
		return
	}
	if s.since.IsZero() {
		r.Fault, r.Detail = rules.PartialData, clipped("alarm %q does not say since when it is %s", a.alarm, s.value)
		return
	}
	s.spread(r, a, level, now)
}

func (s *alarmState) spread(r *rules.Reading, a ask, level float64, now time.Time) {
	entered := s.since.Unix()
	if s.since.Nanosecond() > 0 {
		entered++
	}
	first := -floor(-max(a.from, entered), a.period)
	for at := first; at < a.to && at <= now.Unix(); at += a.period {
		r.Points = append(r.Points, rules.Point{At: at, Value: level, Samples: 1})
	}
	r.SettledUntil = min(floor(now.Unix(), a.period), floor(a.to, a.period))
	if len(r.Points) == 0 {
		r.Fault, r.Detail = rules.NoData, clipped("alarm %q is %s only since %s", a.alarm, s.value, s.since.UTC().Format(time.RFC3339))
	}
}
