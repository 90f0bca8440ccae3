package athena

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
)

const (
	firstPoll = 500 * time.Millisecond
	slowPoll  = 5 * time.Second
	maxRun    = 30 * time.Minute // Athena's own limit for a query, by default
	stopping  = 3 * time.Second  // what stopping all queries may take
	maxRows   = 1000             // in a page, by Athena's limit
	maxPages  = 100              // of one result: more than any real table of groups
)

// run brings every job to its end: it has a table, or a failure.
func (s *Source) run(ctx context.Context, now time.Time, jobs []*job) {
	for _, j := range jobs {
		s.start(ctx, now, j)
	}
	wait, waited := firstPoll, time.Duration(0)
	for slices.ContainsFunc(jobs, running) {
		if err := s.pause(ctx, wait); err != nil || ctx.Err() != nil {
			s.stop(ctx, jobs, "not finished before the deadline, stopped")
			return
		}
		if waited += wait; waited > maxRun {
			s.stop(ctx, jobs, "not finished within "+maxRun.String()+", stopped")
			return
		}
		wait = min(wait*3/2, slowPoll)
		for _, j := range jobs {
			if running(j) {
				s.poll(ctx, now, j)
			}
		}
	}
}

func running(j *job) bool { return !j.done }

// start sends the query, or finds the one that already has the slot's token.
//
// If the answer is lost, the id is lost too. The query runs on, and the next
// question in the slot finds it by its token.
func (s *Source) start(ctx context.Context, now time.Time, j *job) {
	out, err := amazon.Call(ctx, s.client.StartQueryExecution, j.input())
	if err != nil {
		j.fail(amazon.Explain("StartQueryExecution", err, now))
		return
	}
	j.id = aws.ToString(out.QueryExecutionId)
	if j.id == "" {
		j.fail(amazon.Failure{Fault: rules.Unavailable, Detail: "StartQueryExecution: the answer has no id, so it is not Athena's"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started.add(j.id) {
		s.counters.Billed.Add(1)
	}
}

// poll asks for a query's status. If that fails, the query runs on, and the next
// question in the slot finds it.
func (s *Source) poll(ctx context.Context, now time.Time, j *job) {
	out, err := amazon.Call(ctx, s.client.GetQueryExecution, &athena.GetQueryExecutionInput{QueryExecutionId: &j.id})
	switch {
	case ctx.Err() != nil:
		return // run will stop it
	case err != nil:
		j.fail(amazon.Explain("GetQueryExecution", err, now))
		return
	case out.QueryExecution == nil || out.QueryExecution.Status == nil:
		j.fail(amazon.Failure{Fault: rules.Unavailable, Detail: "GetQueryExecution: the answer has no status, so it is not Athena's"})
		return
	}
	q := out.QueryExecution
	switch q.Status.State {
	case types.QueryExecutionStateQueued, types.QueryExecutionStateRunning:
		return // RUNNING may fall back to QUEUED
	case types.QueryExecutionStateSucceeded:
		s.count(j, q)
		s.results(ctx, now, j)
		return
	case types.QueryExecutionStateCancelled, types.QueryExecutionStateFailed:
		s.count(j, q)
	}
	f, retry := ended(q.Status)
	if retry && j.again() {
		s.start(ctx, now, j)
		return
	}
	j.fail(f)
}

// count notes when a query began, and adds its bytes to the statistics, once.
func (s *Source) count(j *job, q *types.QueryExecution) {
	if at := q.Status.SubmissionDateTime; at != nil {
		j.began = at.UTC()
	}
	if q.Statistics == nil {
		return
	}
	if r := q.Statistics.ResultReuseInformation; r != nil {
		j.reused = r.ReusedPreviousResult
	}
	s.mu.Lock()
	fresh := s.scanned.add(j.id)
	s.mu.Unlock()
	bytes := aws.ToInt64(q.Statistics.DataScannedInBytes)
	if !fresh || bytes < 0 {
		return
	}
	s.counters.Scanned.Add(uint64(bytes))
	s.log.Info("query ended", "source", s.name, "query", j.id, "state", string(q.Status.State), "bytes", bytes, "reused", j.reused)
}

// ended classifies a query that did not succeed, and says whether the slot's next
// one may succeed.
func ended(status *types.QueryExecutionStatus) (f amazon.Failure, retry bool) {
	reason := aws.ToString(status.StateChangeReason)
	e := status.AthenaError
	if e != nil && aws.ToString(e.ErrorMessage) != "" && reason == "" {
		reason = aws.ToString(e.ErrorMessage)
	}
	f = amazon.Failure{Fault: rules.Unavailable, Detail: amazon.Scrub(fmt.Sprintf("query %s: %s", status.State, reason))}
	switch {
	case status.State == types.QueryExecutionStateCancelled && strings.Contains(strings.ToLower(reason), "bytes scanned limit"):
		f.Fault = rules.ConfigFault
	case status.State == types.QueryExecutionStateCancelled:
		retry = true
	case status.State != types.QueryExecutionStateFailed:
		f.Detail = amazon.Scrub(fmt.Sprintf("GetQueryExecution: unknown state %q", status.State))
	case e != nil && e.Retryable:
		retry = true
	case amazon.RefusedText(reason):
		f.Fault = rules.AuthFault
	case e != nil && aws.ToInt32(e.ErrorCategory) == 2, e == nil && usersError(reason):
		f.Fault = rules.ConfigFault
	}
	return f, retry
}

// usersError recognises Trino's names for what is wrong with the SQL, for an
// answer without an AthenaError.
func usersError(reason string) bool {
	name, _, _ := strings.Cut(reason, ":")
	for _, end := range []string{"SYNTAX_ERROR", "_NOT_FOUND", "_MISMATCH", "INVALID_FUNCTION_ARGUMENT", "NOT_SUPPORTED", "DIVISION_BY_ZERO", "INVALID_CAST_ARGUMENT"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// stop cancels what still runs: a query that is no longer waited for should not
// cost money. It has a context of its own, because the caller's is over.
func (s *Source) stop(ctx context.Context, jobs []*job, why string) {
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopping)
	defer cancel()
	for _, j := range jobs {
		if j.done {
			continue
		}
		detail := fmt.Sprintf("query %s: %s", j.id, why)
		_, err := amazon.Call(fresh, s.client.StopQueryExecution, &athena.StopQueryExecutionInput{QueryExecutionId: &j.id})
		if err != nil {
			// It runs on; the next question in the slot finds it by its token.
			detail = fmt.Sprintf("query %s: not finished in time, and stopping it failed", j.id)
			s.log.Warn("stopping a query failed", "source", s.name, "query", j.id, "err", amazon.Scrub(err.Error()))
		}
		j.fail(amazon.Failure{Fault: rules.Unavailable, Detail: amazon.Scrub(detail)})
	}
}

// results reads all pages of a query that succeeded.
func (s *Source) results(ctx context.Context, now time.Time, j *job) {
	input := &athena.GetQueryResultsInput{QueryExecutionId: &j.id, MaxResults: aws.Int32(maxRows)}
	tokens := make(map[string]bool) // :: token → already followed
	for page := 0; ; page++ {
		out, err := amazon.Call(ctx, s.client.GetQueryResults, input)
		if err != nil {
			j.fail(amazon.Explain("GetQueryResults", err, now))
			return
		}
		if out.ResultSet == nil {
			j.fail(amazon.Failure{Fault: rules.Unavailable, Detail: "GetQueryResults: the answer has no result, so it is not Athena's"})
			return
		}
		j.table.add(out.ResultSet, page == 0)
		token := aws.ToString(out.NextToken)
		if token == "" {
			j.done = true
			return
		}
		if tokens[token] || page == maxPages {
			j.fail(amazon.Failure{Fault: rules.PartialData, Detail: "GetQueryResults: the answer's pages form a loop"})
			return
		}
		tokens[token] = true
		input.NextToken = &token
	}
}
