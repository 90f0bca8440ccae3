package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/internal/amazon"
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

// alarms asks for the state of all alarms that the asks name. Every name has an
// entry in the result.
func (s *Source) alarms(ctx context.Context, now time.Time, asks []ask) map[string]*alarmState {
	composite := make(map[string]bool) // :: alarm name → may be a composite one
	for _, a := range asks {
		if a.alarm != "" {
			composite[a.alarm] = composite[a.alarm] || a.composite
		}
	}
	states := make(map[string]*alarmState, len(composite))
	names := make([]string, 0, len(composite))
	for name := range composite {
		names = append(names, name)
	}
	slices.Sort(names)
	for part := range slices.Chunk(names, maxAlarms) {
		kinds := []types.AlarmType{types.AlarmTypeMetricAlarm}
		if slices.ContainsFunc(part, func(name string) bool { return composite[name] }) {
			kinds = append(kinds, types.AlarmTypeCompositeAlarm)
		}
		f := s.describe(ctx, now, part, kinds, states)
		for _, name := range part {
			if f.Fault != rules.OK {
				states[name] = &alarmState{failure: f}
			} else if states[name] == nil {
				states[name] = missing(name, composite[name])
			}
		}
	}
	return states
}

func missing(name string, composite bool) *alarmState {
	detail := fmt.Sprintf("alarm %q not found", name)
	if !composite {
		detail += " among the metric alarms: a composite one needs composite = true"
	}
	return &alarmState{failure: amazon.Failure{Fault: rules.ConfigFault, Detail: amazon.Scrub(detail)}}
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
		if empty(awsmiddleware.GetRawResponse(out.ResultMetadata)) {
			return amazon.Failure{Fault: rules.Unavailable, Detail: "DescribeAlarms: the answer is empty, so it is not CloudWatch's"}
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

// empty reports whether a response had no body. The SDK reads that as an answer
// without alarms, which would blame the configuration for a proxy's fault.
func empty(raw any) bool {
	r, ok := raw.(*smithyhttp.Response)
	return ok && r.Response != nil && r.ContentLength == 0
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
