package amazon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/relgate/relgate/rules"
)

// roles gives credentials that expire, and counts how often it was asked.
type roles struct {
	asked int
	lasts time.Duration
}

func (r *roles) Retrieve(context.Context) (aws.Credentials, error) {
	r.asked++
	return aws.Credentials{AccessKeyID: "ROLE", SecretAccessKey: "hidden", CanExpire: true, Expires: time.Now().Add(r.lasts)}, nil
}

// A question that is over asks for no credentials, forgets none, and is not answered as if
// there were none.
func TestADeadContextLeavesTheCredentialsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over, end := context.WithCancel(t.Context())
		end()
		role := &roles{lasts: time.Hour}
		changed := &roles{lasts: time.Hour}
		found := 0
		r := &renewable{inner: aws.NewCredentialsCache(role), files: func() []string { return nil }, find: func(context.Context) (aws.CredentialsProvider, error) {
			found++
			return aws.NewCredentialsCache(changed), nil
		}}
		r.mark = marked(nil)
		dead := func(state string) {
			t.Helper()
			asked := role.asked
			_, err := r.Retrieve(over)
			synctest.Wait()
			if !errors.Is(err, context.Canceled) || Explain("Op", err, time.Now()).Fault != rules.Unavailable {
				t.Errorf("%s: %v", state, err)
			}
			if role.asked != asked || found+changed.asked != 0 {
				t.Errorf("%s: credentials were asked for", state)
			}
		}
		alive := func(state string, asked int) {
			t.Helper()
			if c, err := r.Retrieve(t.Context()); err != nil || c.AccessKeyID != "ROLE" || role.asked != asked {
				t.Errorf("%s: %v %v, asked %d times, want %d", state, c.AccessKeyID, err, role.asked, asked)
			}
		}
		dead("before there were any")
		alive("the first", 1)
		dead("while they are valid")
		alive("while they are valid", 1)
		time.Sleep(2 * time.Hour)
		dead("when they have expired")
		alive("when they have expired", 2)
		expired := answered(403, coded("ExpiredToken", "x"))
		if !r.refused(expired) {
			t.Error("refused before their time: not asked for anew")
		}
		alive("refused before their time", 3)
		time.Sleep(2 * time.Hour)
		if !r.refused(expired) {
			t.Error("refused when they have expired: not asked for anew")
		}
		synctest.Wait()
		if role.asked != 3 {
			t.Error("looking whether they expire asks for them")
		}
		r.mark[0]++ // the files have changed
		dead("when the files have changed")
	})
}
