package lambda

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
)

// failed says what an error of a call means. action is its name in IAM.
func (a *Alias) failed(action string, err error) *actuator.Error {
	now := a.Account.now()
	f := amazon.Explain(action, err, now)
	e := &actuator.Error{Reason: f.Detail}
	if f.RetryAt != 0 {
		e.RetryAfter = time.Duration(max(f.RetryAt-now.Unix(), 0)) * time.Second
	}
	switch f.Fault {
	case rules.AuthFault:
		if strings.Contains(f.Detail, "AccessDenied") {
			e.Final = true
			e.Reason = fmt.Sprintf("AWS denies it: allow %s to the role or user that relgate uses (%s)", action, f.Detail)
		}
	case rules.ConfigFault:
		e.Final = status(err) != http.StatusConflict // which ends when the other update is through
	}
	return e
}

// changing is failed, of a call that changes something.
func (a *Alias) changing(action string, err error) *actuator.Error {
	e := a.failed(action, err)
	e.Doubt = amazon.Explain(action, err, a.Account.now()).Fault == rules.Unavailable
	return e
}

// status is the HTTP status of the answer that an error is of; 0 where there was none.
func status(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil {
		return r.HTTPStatusCode()
	}
	return 0
}

func notThere(err error) bool { return err != nil && status(err) == http.StatusNotFound }

// overtaken reports whether the alias was changed since it was read.
func overtaken(err error) bool { return err != nil && status(err) == http.StatusPreconditionFailed }
