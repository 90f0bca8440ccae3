package simulator

import (
	"slices"
	"strconv"
	"strings"
)

type describeAlarmsInput struct {
	AlarmNames      []string `json:"AlarmNames"`
	AlarmNamePrefix string   `json:"AlarmNamePrefix"`
	AlarmTypes      []string `json:"AlarmTypes"`
	StateValue      string   `json:"StateValue"`
	MaxRecords      int      `json:"MaxRecords"`
	NextToken       string   `json:"NextToken"`
}

type metricAlarm struct {
	AlarmName                          string      `json:"AlarmName"`
	AlarmArn                           string      `json:"AlarmArn"`
	AlarmDescription                   string      `json:"AlarmDescription"`
	ActionsEnabled                     bool        `json:"ActionsEnabled"`
	AlarmConfigurationUpdatedTimestamp stamp       `json:"AlarmConfigurationUpdatedTimestamp"`
	StateValue                         string      `json:"StateValue"`
	StateReason                        string      `json:"StateReason"`
	StateUpdatedTimestamp              stamp       `json:"StateUpdatedTimestamp"`
	StateTransitionedTimestamp         stamp       `json:"StateTransitionedTimestamp"`
	EvaluationState                    string      `json:"EvaluationState,omitempty"`
	Namespace                          string      `json:"Namespace"`
	MetricName                         string      `json:"MetricName"`
	Dimensions                         []dimension `json:"Dimensions"`
	Statistic                          string      `json:"Statistic"`
	Period                             int         `json:"Period"`
	EvaluationPeriods                  int         `json:"EvaluationPeriods"`
	DatapointsToAlarm                  int         `json:"DatapointsToAlarm"`
	Threshold                          float64     `json:"Threshold"`
	ComparisonOperator                 string      `json:"ComparisonOperator"`
	TreatMissingData                   string      `json:"TreatMissingData"`

	kind string // MetricAlarm, CompositeAlarm or LogAlarm
}

type describeAlarmsOutput struct {
	MetricAlarms    []metricAlarm `json:"MetricAlarms"`
	CompositeAlarms []metricAlarm `json:"CompositeAlarms"` // in truth with fewer members
	LogAlarms       []metricAlarm `json:"LogAlarms"`
	NextToken       string        `json:"NextToken,omitempty"`
}

// describeAlarms answers for the one alarm of the world, and for a second one
// that is always OK, so that there is something to page through. Names that do
// not exist are silently absent, as in the real service, and so are alarms of a type
// that was not asked for: without types these are all but metric alarms.
func (s *Simulator) describeAlarms(in describeAlarmsInput) (any, *awsError) {
	switch {
	case len(in.AlarmNames) > 100:
		return nil, validation("The collection AlarmNames must not have a size greater than 100.")
	case len(in.AlarmNames) > 0 && in.AlarmNamePrefix != "":
		return nil, badParameter("AlarmNames and AlarmNamePrefix cannot both be given.")
	case in.MaxRecords < 0 || in.MaxRecords > 100:
		return nil, validation("The parameter MaxRecords must be between 1 and 100.")
	}
	out := describeAlarmsOutput{MetricAlarms: []metricAlarm{}, CompositeAlarms: []metricAlarm{}, LogAlarms: []metricAlarm{}}
	var found []metricAlarm
	for _, a := range s.alarms() {
		if in.wants(a) {
			found = append(found, a)
		}
	}
	from := 0
	if in.NextToken != "" {
		var err error
		if from, err = strconv.Atoi(in.NextToken); err != nil || from < 1 || from > len(found) {
			return nil, &awsError{status: 400, code: "InvalidNextToken", query: "InvalidNextToken", message: "The next token is not valid."}
		}
	}
	to := len(found)
	if in.MaxRecords > 0 && from+in.MaxRecords < to {
		to = from + in.MaxRecords
		out.NextToken = strconv.Itoa(to)
	}
	for _, a := range found[from:to] {
		list := &out.MetricAlarms
		switch a.kind {
		case "CompositeAlarm":
			list = &out.CompositeAlarms
		case "LogAlarm":
			list = &out.LogAlarms
		}
		*list = append(*list, a)
	}
	return out, nil
}

func (in describeAlarmsInput) wants(a metricAlarm) bool {
	return (len(in.AlarmNames) == 0 || slices.Contains(in.AlarmNames, a.AlarmName)) &&
		strings.HasPrefix(a.AlarmName, in.AlarmNamePrefix) &&
		(in.StateValue == "" || in.StateValue == a.StateValue) &&
		(len(in.AlarmTypes) == 0 && a.kind == "MetricAlarm" || slices.Contains(in.AlarmTypes, a.kind))
}

func (s *Simulator) alarms() []metricAlarm {
	w, n := s.world, s.world.s.Names
	now := w.alarm(s.now().Unix())
	a := metricAlarm{
		kind:      map[string]string{"": "MetricAlarm", "metric": "MetricAlarm", "composite": "CompositeAlarm", "log": "LogAlarm"}[w.s.Alarm.Type],
		AlarmName: n.Alarm, AlarmArn: "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:" + n.Alarm,
		AlarmDescription: "share of API requests that end in 5xx", ActionsEnabled: true,
		AlarmConfigurationUpdatedTimestamp: at(w.start.Unix() - 30*86400),
		StateValue:                         now.state, StateReason: now.reason,
		StateUpdatedTimestamp: at(now.since), StateTransitionedTimestamp: at(now.since),
		Namespace: "AWS/ApiGateway", MetricName: "5XXError",
		Dimensions: []dimension{{"ApiName", n.API}, {"Stage", n.Stage}},
		Statistic:  "Average", Period: 60, EvaluationPeriods: w.s.Alarm.Of, DatapointsToAlarm: w.s.Alarm.Datapoints,
		Threshold: w.s.Alarm.Threshold.V, ComparisonOperator: "GreaterThanThreshold", TreatMissingData: "missing",
	}
	other := a
	other.kind = "MetricAlarm"
	other.AlarmName, other.AlarmArn = "LambdaThrottles", "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:LambdaThrottles"
	other.AlarmDescription, other.Namespace, other.MetricName = "invocations that were throttled", "AWS/Lambda", "Throttles"
	other.Dimensions, other.Statistic, other.Threshold = []dimension{{"FunctionName", n.Function}}, "Sum", 0
	other.StateValue, other.StateReason = "OK", "Threshold Crossed: no datapoints were above the threshold."
	other.StateUpdatedTimestamp, other.StateTransitionedTimestamp = at(w.start.Unix()-30*86400), at(w.start.Unix()-30*86400)
	return []metricAlarm{a, other}
}
