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

const (
	maxQueries = 500 // metric statistics in one GetMetricData, by CloudWatch's limit
	maxPages   = 200 // of one answer: more than any real one has
	maxStride  = 24 * 60 * 60
)

// batch is one GetMetricData: different statistics over one range.
type batch struct {
	stats    []statistic
	from, to int64 // aligned to every period in it
}

// metrics asks for all statistics that the asks need. Every statistic has an
// answer in the result.
func (s *Source) metrics(ctx context.Context, now time.Time, asks []ask) map[statistic]*series {
	answers := make(map[statistic]*series)
	for _, b := range batches(asks) {
		s.answer(ctx, now, b, answers)
	}
	return answers
}

// batches puts all statistics into as few requests as CloudWatch takes, over the
// union of their ranges: it charges by the statistic, not by the point.
func batches(asks []ask) []batch {
	var list []batch
	seen := make(map[statistic]bool)
	for _, group := range groups(asks) {
		var all []statistic
		stride := int64(1)
		from, to := int64(0), int64(0)
		for i, a := range group {
			stride = lcm(stride, a.period)
			if i == 0 || a.from < from {
				from = a.from
			}
			if i == 0 || a.to > to {
				to = a.to
			}
			for _, st := range slices.Concat(a.value.statistics, a.count.statistics) {
				if !seen[st] {
					seen[st] = true
					all = append(all, st)
				}
			}
		}
		from, to = floor(from, stride), -floor(-to, stride)
		for part := range slices.Chunk(all, maxQueries) {
			list = append(list, batch{stats: part, from: from, to: to})
		}
	}
	return list
}

// groups puts periods together whose common multiple is at most a day, so that
// one aligned range serves them all. The usual periods form one group.
func groups(asks []ask) [][]ask {
	var periods []int64
	for _, a := range asks {
		if a.period != 0 && a.alarm == "" && !slices.Contains(periods, a.period) {
			periods = append(periods, a.period)
		}
	}
	slices.Sort(periods)
	var strides []int64
	home := make(map[int64]int) // :: period → its group
	for _, p := range periods {
		i := slices.IndexFunc(strides, func(stride int64) bool { return lcm(stride, p) <= maxStride })
		if i < 0 {
			i, strides = len(strides), append(strides, p)
		} else {
			strides[i] = lcm(strides[i], p)
		}
		home[p] = i
	}
	list := make([][]ask, len(strides))
	for _, a := range asks {
		if a.period != 0 && a.alarm == "" {
			list[home[a.period]] = append(list[home[a.period]], a)
		}
	}
	return list
}

func lcm(a, b int64) int64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// answer asks one batch and stores its series in answers. If the endpoint refuses
// a percentile rank, it is asked once more, for the trimmed count.
func (s *Source) answer(ctx context.Context, now time.Time, b batch, answers map[statistic]*series) {
	counted := s.counted.Load()
	f := s.pages(ctx, now, b, counted, answers)
	if f.Fault == rules.ConfigFault && !counted && refusesRank(b, f.Detail) {
		s.counted.Store(true)
		s.log.Warn("percentile rank refused, asking for trimmed counts", "source", s.name, "err", f.Detail)
		f = s.pages(ctx, now, b, true, answers)
	}
	if f.Fault == rules.OK {
		return
	}
	for _, st := range b.stats {
		answers[st] = &series{failure: f}
	}
}

func refusesRank(b batch, detail string) bool {
	if !slices.ContainsFunc(b.stats, func(st statistic) bool { return st.above != "" }) {
		return false
	}
	return strings.Contains(detail, "PR(") || strings.Contains(strings.ToLower(detail), "stat")
}

// pages reads a batch to its last page. A failure applies to the whole batch.
func (s *Source) pages(ctx context.Context, now time.Time, b batch, counted bool, answers map[statistic]*series) amazon.Failure {
	input, byID := request(b, counted)
	got := newAnswer(b, byID, counted)
	tokens := make(map[string]bool) // :: token → already followed
	for page := 0; ; page++ {
		s.counters.Billed.Add(uint64(len(b.stats)))
		out, err := amazon.Call(ctx, s.client.GetMetricData, input)
		if err != nil {
			return amazon.Explain("GetMetricData", err, now)
		}
		if got.ref == "" {
			got.ref, _ = awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
		}
		got.add(out)
		token := aws.ToString(out.NextToken)
		if token == "" {
			break
		}
		if tokens[token] || page == maxPages {
			got.cut("the answer's pages form a loop")
			break
		}
		tokens[token] = true
		input.NextToken = &token
	}
	return got.into(answers)
}

// request builds the call. The Ids are short and local to it.
func request(b batch, counted bool) (*cloudwatch.GetMetricDataInput, map[string]statistic) {
	byID := make(map[string]statistic, len(b.stats)) // :: Id → what it asks for
	queries := make([]types.MetricDataQuery, len(b.stats))
	for i, st := range b.stats {
		id := fmt.Sprintf("m%d", i)
		byID[id] = st
		queries[i] = types.MetricDataQuery{
			Id:         &id,
			ReturnData: aws.Bool(true),
			MetricStat: &types.MetricStat{
				Metric: &types.Metric{
					Namespace: aws.String(st.namespace), MetricName: aws.String(st.metric),
					Dimensions: splitDimensions(st.dimensions),
				},
				Period: aws.Int32(int32(st.period)),
				Stat:   aws.String(st.name(counted)),
				Unit:   types.StandardUnit(st.unit),
			},
		}
	}
	return &cloudwatch.GetMetricDataInput{
		MetricDataQueries: queries,
		StartTime:         aws.Time(time.Unix(b.from, 0).UTC()),
		EndTime:           aws.Time(time.Unix(b.to, 0).UTC()),
		ScanBy:            types.ScanByTimestampAscending,
	}, byID
}
