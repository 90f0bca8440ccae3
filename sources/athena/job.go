package athena

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/athena/kind"
)

// maxTries is how many queries one slot may start, the first included: the
// others follow one that was stopped, or that Athena says may be retried.
const maxTries = 4

// maxReuse is the oldest result that Athena can reuse.
const maxReuse = 10080 // minutes, seven days

// job is one question in one slot, and its result.
type job struct {
	source string
	query  *kind.Query
	reuse  int32 // minutes; zero reuses no result
	slot   int64
	try    int // how many queries the slot has used

	id      string // of the query; empty until it is started
	done    bool   // it succeeded, or failure says why not
	failure amazon.Failure
	reused  bool      // Athena gave an earlier result
	began   time.Time // when Athena was given the query; zero when it did not say
	table   table
}

// asOf is the time that the answer tells of. A tick that finds the query of its slot
// again gets an answer from when the query began, and a result that was reused may be
// older still, by as much as was allowed. Where Athena does not say when the query
// began, it was within the slot.
func (j *job) asOf(now time.Time) time.Time {
	at := time.Unix(j.slot, 0)
	if !j.began.IsZero() {
		at = j.began
	}
	if at.After(now) {
		at = now // Athena's clock is ahead of ours
	}
	if j.reused {
		at = at.Add(-time.Duration(j.reuse) * time.Minute)
	}
	return at
}

func newJob(source string, s *rules.Signal, now time.Time) *job {
	every := s.Every
	if every < time.Second {
		every = s.Period
	}
	q := kind.Of(s.Query)
	return &job{source: source, query: q, slot: slot(now, every), reuse: reuseMinutes(q.Reuse.Duration, every)}
}

// reuseMinutes bounds reuse by the slot: an older result would be about another
// time than was asked for.
func reuseMinutes(reuse, every time.Duration) int32 {
	if reuse <= 0 {
		return 0
	}
	return int32(min(max(min(reuse, every)/time.Minute, 1), maxReuse))
}

// token makes StartQueryExecution idempotent. It is made of everything that the
// request holds, because Athena refuses a known token with another request, and
// of the slot and the try, so that it is the same after a restart.
func (j *job) token() string {
	h := sha256.New()
	part := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	number := func(n int64) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	q := j.query
	for _, s := range []string{j.source, q.SQL, q.Database, q.Catalog, q.Workgroup, q.Output} {
		part(s)
	}
	number(int64(len(q.Parameters)))
	for _, p := range q.Parameters {
		part(p)
	}
	number(int64(j.reuse))
	number(j.slot)
	number(int64(j.try))
	return hex.EncodeToString(h.Sum(nil))
}

// input is the request that starts the query.
func (j *job) input() *athena.StartQueryExecutionInput {
	q := j.query
	in := &athena.StartQueryExecutionInput{
		QueryString:         aws.String(q.SQL),
		ClientRequestToken:  aws.String(j.token()),
		ExecutionParameters: q.Parameters,
	}
	if len(q.Parameters) == 0 {
		in.ExecutionParameters = nil // an empty list is refused
	}
	if q.Database != "" || q.Catalog != "" {
		in.QueryExecutionContext = &types.QueryExecutionContext{Database: optional(q.Database), Catalog: optional(q.Catalog)}
	}
	in.WorkGroup = optional(q.Workgroup)
	if q.Output != "" {
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: aws.String(q.Output)}
	}
	if j.reuse > 0 {
		in.ResultReuseConfiguration = &types.ResultReuseConfiguration{
			ResultReuseByAgeConfiguration: &types.ResultReuseByAgeConfiguration{Enabled: true, MaxAgeInMinutes: aws.Int32(j.reuse)},
		}
	}
	return in
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// fail ends the job.
func (j *job) fail(f amazon.Failure) { j.done, j.failure = true, f }

// again prepares the job for the slot's next query. It is false if the slot has
// used them all.
func (j *job) again() bool {
	if j.try+1 >= maxTries {
		return false
	}
	j.try++
	j.id = ""
	return true
}
