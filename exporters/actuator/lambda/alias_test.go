package lambda_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/exporters/actuator/lambda"
	"github.com/relgate/relgate/exporters/actuator/lambdatest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/internal/amazon"
)

const secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"

type weights = map[string]float64

// newServer is a Lambda whose alias is in a phase: version 43 with 10 %.
func newServer() *lambdatest.Server {
	s := &lambdatest.Server{Function: "bioage-inference", Name: "live", States: map[string]string{"41": "Failed", "42": "Active", "43": "Active", "47": "Active"}}
	s.Move("42", weights{"43": 0.1})
	return s
}

// aliasOf makes the alias of a config with what a test always has.
func aliasOf(t testing.TB, s http.Handler, c lambda.Config) *lambda.Alias {
	t.Helper()
	account, err := lambda.Open(t.Context(), lambda.AccountConfig{
		Amazon: amazon.Config{Name: "live", Region: "eu-central-1", BaseURL: "https://lambda.example", Transport: outboxtest.Network{Handler: s},
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", secret, "")},
		CodeDeployURL: "https://codedeploy.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Account = account
	for _, d := range []struct {
		key  *string
		text string
	}{{&c.Function, "bioage-inference"}, {&c.Alias, "live"}, {&c.Version, "43"}, {&c.Previous, "42"}} {
		if *d.key == "" {
			*d.key = d.text
		}
	}
	a, err := lambda.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refused reads the error of a call.
func refused(t testing.TB, err error) actuator.Error {
	t.Helper()
	if err == nil {
		return actuator.Error{}
	}
	e, ok := errors.AsType[*actuator.Error](err)
	if !ok || e.Reason == "" || strings.Contains(e.Reason, secret) {
		t.Fatalf("error %v of type %T", err, err)
	}
	return *e
}

func TestLookSaysWhatStandsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := aliasOf(t, s, lambda.Config{})
		for _, tt := range []struct {
			version string
			weights weights
			share   float64
		}{
			{"42", weights{"43": 0.1}, 0.1},
			{"42", nil, 0},
			{"42", weights{"43": 0}, 0},
			{"43", nil, 1},
			{"43", weights{"42": 0.75}, 0.25},
			{"47", weights{"42": 0.5}, 0},
		} {
			s.Move(tt.version, tt.weights)
			got, err := a.Look(t.Context())
			want := maps.Clone(tt.weights)
			maps.DeleteFunc(want, func(_ string, share float64) bool { return share == 0 })
			if err != nil || got.FunctionVersion != tt.version || !maps.Equal(got.Weights, want) || got.Share != tt.share || got.Revision == "" ||
				!maps.Equal(got.States, map[string]string{"42": "Active", "43": "Active"}) || got.Owner != "" {
				t.Errorf("version %s, weights %v: got %+v, %v", tt.version, tt.weights, got, err)
			}
		}
		for _, wrong := range s.Wrong() {
			t.Error(wrong)
		}
	})
}

// What stands there, what is then done, and what that is called.
func TestAnAliasIsTakenBackAndWeighed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version string
		weights weights
		share   float64
		steps   string // of the plan
		to      lambdatest.Alias
	}{
		{"back from 10 %", "42", weights{"43": 0.1}, 0, "alias live of bioage-inference: version 43 with 10 %, version 42 with 90 % → version 42 with 100 %", lambdatest.Alias{Version: "42", Weights: weights{}}},
		{"back from all", "43", nil, 0, "alias live of bioage-inference: version 43 with 100 % → version 42 with 100 %", lambdatest.Alias{Version: "42", Weights: weights{}}},
		{"back from the other way around", "43", weights{"42": 0.2}, 0, "alias live of bioage-inference: version 42 with 20 %, version 43 with 80 % → version 42 with 100 %", lambdatest.Alias{Version: "42", Weights: weights{}}},
		{"back already", "42", nil, 0, "", lambdatest.Alias{Version: "42"}},
		{"back already, with a weight of nothing", "42", weights{"43": 0}, 0, "", lambdatest.Alias{Version: "42", Weights: weights{"43": 0}}},
		{"the first phase", "42", nil, 0.1, "alias live of bioage-inference: version 42 with 100 % → version 43 with 10 %, version 42 with 90 %", lambdatest.Alias{Version: "42", Weights: weights{"43": 0.1}}},
		{"the next phase", "42", weights{"43": 0.1}, 0.5, "alias live of bioage-inference: version 43 with 10 %, version 42 with 90 % → version 43 with 50 %, version 42 with 50 %", lambdatest.Alias{Version: "42", Weights: weights{"43": 0.5}}},
		{"a very small phase", "42", nil, 1e-8, "alias live of bioage-inference: version 42 with 100 % → version 43 with under 0.0001 %, version 42 with over 99.9999 %", lambdatest.Alias{Version: "42", Weights: weights{"43": 1e-8}}},
		{"in the phase already", "42", weights{"43": 0.1}, 0.1, "", lambdatest.Alias{Version: "42", Weights: weights{"43": 0.1}}},
		{"in the phase already, the other way around", "43", weights{"42": 0.9}, 0.1, "", lambdatest.Alias{Version: "43", Weights: weights{"42": 0.9}}},
		{"to all", "42", weights{"43": 0.5}, 1, "alias live of bioage-inference: version 43 with 50 %, version 42 with 50 % → version 43 with 100 %", lambdatest.Alias{Version: "43", Weights: weights{}}},
		{"to all already", "43", nil, 1, "", lambdatest.Alias{Version: "43"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.Move(tt.version, tt.weights)
			a := aliasOf(t, s, lambda.Config{})
			seen, err := a.Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			steps, refusal := a.PlanWeight(seen, tt.share)
			if strings.Join(steps, "\n") != tt.steps || refusal != "" {
				t.Errorf("%s: plan %q, refusal %q; want %q", tt.name, steps, refusal, tt.steps)
			}
			for round := range 2 { // the second finds the goal
				done, err := a.Weigh(t.Context(), tt.share)
				changes := tt.steps != "" && round == 0
				if err != nil || done.Changed != changes || changes && done.Words != tt.steps || !changes && !strings.HasSuffix(done.Words, "nothing was left to do") || math.Abs(done.After.Share-tt.share) > 1e-9 {
					t.Errorf("%s, round %d: %+v, %v", tt.name, round, done, err)
				}
			}
			if got := s.Alias(); !reflect.DeepEqual(got, tt.to) || len(s.Updates()) > 1 {
				t.Errorf("%s: the alias is %+v after %d updates, want %+v", tt.name, got, len(s.Updates()), tt.to)
			}
			for _, wrong := range s.Wrong() {
				t.Errorf("%s: %s", tt.name, wrong)
			}
		})
	}
}

// An alias that is not as it was expected is not touched, and it is said why.
// What slows a fault down never gives the released version more than it has.
func TestAWeightIsLoweredAndNeverRaised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			version string
			weights weights
			want    float64 // of version 43
			changed bool
		}{
			{"42", weights{"43": 0.1}, 0.05, true}, {"42", weights{"43": 0.05}, 0.05, false}, {"42", weights{"43": 0.01}, 0.01, false},
			{"42", nil, 0, false}, {"43", nil, 0.05, true}, {"43", weights{"42": 0.5}, 0.05, true},
		} {
			s := newServer()
			s.Move(tt.version, tt.weights)
			a := aliasOf(t, s, lambda.Config{})
			seen, err := a.Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if steps, refusal := a.PlanLower(seen, 0.05); refusal != "" || (len(steps) > 0) != tt.changed {
				t.Errorf("%s %v: it would %v, %q", tt.version, tt.weights, steps, refusal)
			}
			d, err := a.Lower(t.Context(), 0.05)
			if err != nil || d.Changed != tt.changed || math.Abs(d.After.Share-tt.want) > 1e-9 {
				t.Errorf("%s %v: got %v, %+v", tt.version, tt.weights, err, d)
			}
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	codedeploy := func(id, status, function, alias string) lambdatest.Deployment {
		return lambdatest.Deployment{ID: id, Status: status, Application: "bioage", Group: "prod", Function: function, Alias: alias}
	}
	var many []lambdatest.Deployment
	for i := range 61 {
		many = append(many, codedeploy(fmt.Sprint("d-", i), "InProgress", "", ""))
	}
	moved := "alias live of bioage-inference was moved by someone else: it sends requests to version "
	owned := "alias live of bioage-inference is being shifted by CodeDeploy: stop its deployment d-7 with automatic rollback instead"
	for _, tt := range []struct {
		name   string
		config lambda.Config
		world  func(*lambdatest.Server)
		share  float64
		want   string // the beginning of the reason; empty: it is done
	}{
		{"moved to another version", lambda.Config{}, func(s *lambdatest.Server) { s.Move("47", nil) }, 0, moved + "47 (version 47 with 100 %), and this release is of 43, with 42 before it"},
		{"moved to the previous version and another", lambda.Config{}, func(s *lambdatest.Server) { s.Move("42", weights{"47": 0.1}) }, 0, moved + "47 (version 47 with 10 %, version 42 with 90 %)"},
		{"moved to $LATEST", lambda.Config{}, func(s *lambdatest.Server) { s.Move("$LATEST", nil) }, 0, moved + "$LATEST"},
		{"the previous version is gone", lambda.Config{Previous: "40"}, func(s *lambdatest.Server) { s.Move("43", nil) }, 0, "version 40 of bioage-inference is not there: it was deleted, or never published"},
		{"the previous version failed", lambda.Config{Previous: "41"}, func(s *lambdatest.Server) { s.Move("43", nil) }, 0, "version 41 of bioage-inference cannot take requests: its state is Failed"},
		{"the release is gone", lambda.Config{Version: "48"}, func(s *lambdatest.Server) { s.Move("42", nil) }, 0.1, "version 48 of bioage-inference is not there"},
		{"the release is gone, on the way back", lambda.Config{}, func(s *lambdatest.Server) { delete(s.States, "43") }, 0, ""},
		{"the previous version sleeps", lambda.Config{}, func(s *lambdatest.Server) { s.States["42"] = "Inactive" }, 0, ""},
		{"no such alias", lambda.Config{Alias: "prod"}, nil, 0, `function bioage-inference has no alias "prod", or there is no such function in this region and account`},
		{"no such function", lambda.Config{Function: "bioage"}, nil, 0, `function bioage has no alias "live"`},
		{"more than all", lambda.Config{}, nil, 1.1, "a share of 1.1: want 0 to 1"},
		{"no number", lambda.Config{}, nil, math.NaN(), "a share of NaN: want 0 to 1"},
		{"CodeDeploy shifts it", lambda.Config{}, func(s *lambdatest.Server) { s.Deploy(codedeploy("d-7", "InProgress", "bioage-inference", "live")) }, 0, owned},
		{"CodeDeploy bakes it", lambda.Config{}, func(s *lambdatest.Server) {
			s.Deploy(codedeploy("d-6", "InProgress", "", ""), codedeploy("d-7", "Baking", "bioage-inference", "live"))
		}, 0, owned},
		{"CodeDeploy shifts it, though it stands as it should", lambda.Config{}, func(s *lambdatest.Server) {
			s.Move("42", nil)
			s.Deploy(codedeploy("d-7", "InProgress", "bioage-inference", "live"))
		}, 0, owned},
		{"CodeDeploy shifts it, known by ARN", lambda.Config{}, func(s *lambdatest.Server) {
			s.Deploy(codedeploy("d-7", "InProgress", "arn:aws:lambda:eu-central-1:123456789012:function:bioage-inference", "live"))
		}, 0, owned},
		{"CodeDeploy shifts others", lambda.Config{}, func(s *lambdatest.Server) {
			s.Deploy(codedeploy("d-1", "InProgress", "bioage-inference", "beta"), codedeploy("d-2", "Ready", "other", "live"), codedeploy("d-3", "Created", "bioage-inference", "live"), codedeploy("d-4", "Succeeded", "bioage-inference", "live"))
		}, 0, ""},
		{"CodeDeploy shifts in the group", lambda.Config{CodeDeploy: "bioage/prod"}, func(s *lambdatest.Server) { s.Deploy(codedeploy("d-7", "Queued", "", "")) }, 0, owned},
		{"CodeDeploy shifts in another group", lambda.Config{CodeDeploy: "bioage/beta"}, func(s *lambdatest.Server) {
			s.Deploy(codedeploy("d-7", "InProgress", "", ""), lambdatest.Deployment{ID: "d-8", Status: "Stopped", Application: "bioage", Group: "beta"})
		}, 0, ""},
		{"there is no such group", lambda.Config{CodeDeploy: "bioage/gamma"}, nil, 0, "whether CodeDeploy is shifting alias live of bioage-inference is not known: codedeploy:ListDeployments: DeploymentGroupDoesNotExistException"},
		{"CodeDeploy has too much to do", lambda.Config{}, func(s *lambdatest.Server) { s.Deploy(many...) }, 0, `CodeDeploy has more than 50 deployments in progress: set codedeploy to the "application/group" that shifts alias live of bioage-inference, or to "none"`},
		{"CodeDeploy is not asked", lambda.Config{CodeDeploy: lambda.NoCodeDeploy}, func(s *lambdatest.Server) { s.Deploy(codedeploy("d-7", "InProgress", "bioage-inference", "live")) }, 0, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			if tt.world != nil {
				tt.world(s)
			}
			a := aliasOf(t, s, tt.config)
			before := s.Alias()
			_, err := a.Weigh(t.Context(), tt.share)
			e := refused(t, err)
			if !strings.HasPrefix(e.Reason, tt.want) || (err == nil) != (tt.want == "") || err != nil && (!e.Final || e.Doubt) {
				t.Errorf("%s:\ngot  %+v\nwant %s", tt.name, e, tt.want)
			}
			if got := s.Alias(); err != nil && (!reflect.DeepEqual(got, before) || len(s.Updates()) > 0) {
				t.Errorf("%s: the alias was changed to %+v", tt.name, got)
			}
			if seen, looked := a.Look(t.Context()); looked == nil && !strings.Contains(tt.name, "the release is gone") {
				if steps, refusal := a.PlanWeight(seen, tt.share); refusal != e.Reason || (err == nil) != (len(steps) == 0) && refusal == "" {
					t.Errorf("%s: the plan says %q, %q", tt.name, steps, refusal)
				}
			}
			for _, wrong := range s.Wrong() {
				t.Errorf("%s: %s", tt.name, wrong)
			}
		})
	}
}

// What is planned for a version that sleeps says what its first requests meet.
func TestAPlanNamesASleepingVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.States["42"] = "Inactive"
		a := aliasOf(t, s, lambda.Config{})
		seen, err := a.Look(t.Context())
		steps, refusal := a.Plan(seen)
		if err != nil || refusal != "" || len(steps) != 2 || steps[1] != "version 42 is inactive: its first requests fail until Lambda has woken it" {
			t.Errorf("%q, %q, %v", steps, refusal, err)
		}
	})
}

// What AWS's answers mean: what to wait for, what a person has to do, what may have been done.
func TestAnswersOfAWS(t *testing.T) {
	denied := `{"Message":"User: arn:aws:iam::123456789012:user/relgate is not authorized to perform this"}`
	for _, tt := range []struct {
		action, code string
		status       int
		body         string
		header       http.Header
		want         actuator.Error
	}{
		{"lambda:GetAlias", "AccessDeniedException", 403, denied, nil, actuator.Error{Final: true, Reason: "AWS denies it: allow lambda:GetAlias to the role or user that relgate uses (lambda:GetAlias: AccessDeniedException: User: arn"}},
		{"lambda:GetFunctionConfiguration", "AccessDeniedException", 403, denied, nil, actuator.Error{Final: true, Reason: "AWS denies it: allow lambda:GetFunctionConfiguration to"}},
		{"lambda:UpdateAlias", "AccessDeniedException", 403, denied, nil, actuator.Error{Final: true, Reason: "AWS denies it: allow lambda:UpdateAlias to"}},
		{"codedeploy:ListDeployments", "AccessDeniedException", 400, `{"__type":"AccessDeniedException","Message":"no"}`, nil, actuator.Error{Final: true, Reason: "whether CodeDeploy is shifting alias live of bioage-inference is not known: AWS denies it: allow codedeploy:ListDeployments to"}},
		{"codedeploy:ListDeploymentTargets", "AccessDeniedException", 400, `{"__type":"AccessDeniedException","Message":"no"}`, nil, actuator.Error{Final: true, Reason: "whether CodeDeploy is shifting alias live of bioage-inference is not known: AWS denies it: allow codedeploy:ListDeploymentTargets to"}},
		{"codedeploy:BatchGetDeploymentTargets", "AccessDeniedException", 400, `{"__type":"AccessDeniedException","Message":"no"}`, nil, actuator.Error{Final: true, Reason: "whether CodeDeploy is shifting alias live of bioage-inference is not known: AWS denies it: allow codedeploy:BatchGetDeploymentTargets to"}},
		{"codedeploy:ListDeploymentTargets", "DeploymentDoesNotExistException", 400, `{"__type":"DeploymentDoesNotExistException","message":"gone"}`, nil, actuator.Error{Reason: "codedeploy:ListDeploymentTargets: a deployment of CodeDeploy went away while it was looked at: gone"}},
		{"lambda:GetAlias", "ExpiredTokenException", 403, `{"message":"The security token included in the request is expired"}`, nil, actuator.Error{Reason: "lambda:GetAlias: ExpiredTokenException: The security token"}},
		{"lambda:GetAlias", "TooManyRequestsException", 429, `{"Reason":"CallerRateLimitExceeded","message":"Rate exceeded"}`, http.Header{"Retry-After": {"40"}}, actuator.Error{RetryAfter: 40 * time.Second, Reason: "lambda:GetAlias: TooManyRequestsException: Rate exceeded; Retry-After: 40"}},
		{"lambda:UpdateAlias", "TooManyRequestsException", 429, `{"message":"Rate exceeded"}`, nil, actuator.Error{RetryAfter: 15 * time.Second, Reason: "lambda:UpdateAlias: TooManyRequestsException: Rate exceeded"}},
		{"lambda:UpdateAlias", "ResourceConflictException", 409, `{"Message":"The operation cannot be performed at this time."}`, nil, actuator.Error{Reason: "lambda:UpdateAlias: ResourceConflictException"}},
		{"lambda:UpdateAlias", "InvalidParameterValueException", 400, `{"message":"Both versions must have the same execution role."}`, nil, actuator.Error{Final: true, Reason: "lambda:UpdateAlias: InvalidParameterValueException: Both versions"}},
		{"lambda:UpdateAlias", "ServiceException", 500, `{"Message":"An error occurred"}`, nil, actuator.Error{Doubt: true, Reason: "lambda:UpdateAlias: ServiceException: An error occurred"}},
		{"lambda:UpdateAlias", "", 200, "<html>Welcome", nil, actuator.Error{Doubt: true, Reason: "lambda:UpdateAlias: "}},
		{"lambda:UpdateAlias", "PreconditionFailedException", 412, `{"message":"The RevisionId provided does not match"}`, nil, actuator.Error{Reason: "alias live of bioage-inference was changed twice by someone else"}},
		{"lambda:GetAlias", "ServiceException", 503, `{"Message":"x"}`, nil, actuator.Error{Reason: "lambda:GetAlias: ServiceException: x"}},
		{"lambda:GetAlias", "", 200, `{}`, nil, actuator.Error{Reason: "lambda:GetAlias: the answer lacks FunctionVersion or RevisionId"}},
		{"lambda:GetAlias", "", 200, `{"FunctionVersion":"42","RevisionId":"x","RoutingConfig":{"AdditionalVersionWeights":{"43":7}}}`, nil, actuator.Error{Reason: `lambda:GetAlias: the answer gives version "43" the weight 7`}},
		{"lambda:GetAlias", "", 200, `{"FunctionVersion":"42","RevisionId":"x","RoutingConfig":{"AdditionalVersionWeights":{"43":0.7,"44":0.7}}}`, nil, actuator.Error{Reason: "lambda:GetAlias: the answer lacks"}},
		{"lambda:GetFunctionConfiguration", "", 200, `{"Version":"42"}`, nil, actuator.Error{Reason: "lambda:GetFunctionConfiguration: the answer does not say the state of version 42"}},
		{"lambda:GetFunctionConfiguration", "", 200, `{"Version":"41","State":"Active"}`, nil, actuator.Error{Reason: "lambda:GetFunctionConfiguration: the answer does not say the state of version 42"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.Deploy(lambdatest.Deployment{ID: "d-1", Status: "InProgress", Function: "other", Alias: "live"})
			s.Answer = func(action string, w http.ResponseWriter) bool {
				if action != tt.action {
					return false
				}
				maps.Copy(w.Header(), tt.header)
				w.Header().Set("Content-Type", "application/json")
				if tt.code != "" {
					w.Header().Set("X-Amzn-ErrorType", tt.code)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
				return true
			}
			_, err := aliasOf(t, s, lambda.Config{}).Revert(t.Context())
			e := refused(t, err)
			reason := e.Reason
			if e.Reason = tt.want.Reason; err == nil || e != tt.want || !strings.HasPrefix(reason, tt.want.Reason) || len(s.Updates()) > 0 {
				t.Errorf("%s answered %d %s: got %+v, %q\nwant %+v", tt.action, tt.status, tt.code, e, reason, tt.want)
			}
			out := actuator.Outcome("", err)
			if out.OK || out.Refused != e.Final || out.Doubt != e.Doubt || out.RetryAfter != e.RetryAfter || out.Reason != reason {
				t.Errorf("the outcome of %+v is %+v", e, out)
			}
		})
	}
}

// Someone else moves the alias between the reading and the writing.
func TestWhoeverIsFasterIsSeen(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version string
		weights weights
		times   int // that it is moved
		want    string
		final   bool
		updates int
	}{
		{"to the goal", "42", nil, 1, "", false, 0},
		{"to another share", "42", weights{"43": 0.5}, 1, "", false, 1},
		{"to another version", "47", nil, 1, "alias live of bioage-inference was moved by someone else", true, 0},
		{"again and again", "42", weights{"43": 0.5}, 9, "alias live of bioage-inference was changed twice by someone else while it was to be changed", false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, moved := newServer(), 0
			s.Before = func(action string) {
				if action == "lambda:UpdateAlias" && moved < tt.times {
					moved++
					s.Move(tt.version, tt.weights)
				}
			}
			done, err := aliasOf(t, s, lambda.Config{}).Revert(t.Context())
			if e := refused(t, err); !strings.HasPrefix(e.Reason, tt.want) || (err == nil) != (tt.want == "") || e.Final != tt.final || len(s.Updates()) != tt.updates || done.Changed != (tt.updates > 0) {
				t.Errorf("%s: %+v, %+v after %d updates", tt.name, done, e, len(s.Updates()))
			}
		})
	}
}

// An alias that is moved right after the update is no success.
func TestWhatIsReadBackCounts(t *testing.T) {
	for _, tt := range []struct {
		name string
		back func(s *lambdatest.Server, w http.ResponseWriter) bool
		want string
	}{
		{"moved", func(s *lambdatest.Server, _ http.ResponseWriter) bool { s.Move("47", nil); return false },
			"alias live of bioage-inference was updated to version 42 with 100 %, and now it is version 47 with 100 %: someone else is changing it"},
		{"not answered", func(_ *lambdatest.Server, w http.ResponseWriter) bool { w.WriteHeader(500); return true },
			"alias live of bioage-inference was updated, and cannot be read back: lambda:GetAlias: "},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.Answer = func(action string, w http.ResponseWriter) bool {
				return action == "lambda:GetAlias" && len(s.Updates()) > 0 && tt.back(s, w)
			}
			_, err := aliasOf(t, s, lambda.Config{}).Revert(t.Context())
			if e := refused(t, err); !e.Doubt || e.Final || !strings.HasPrefix(e.Reason, tt.want) {
				t.Errorf("%s: %+v", tt.name, e)
			}
		})
	}
}

func TestAConfigThatCannotWorkIsRefused(t *testing.T) {
	_, err := lambda.New(lambda.Config{Version: "$LATEST", CodeDeploy: "bioage"})
	for _, want := range []string{"function is required", "alias is required", "an account is required", `version "$LATEST": want the number`, `previous "": want`, `codedeploy "bioage": want "application/group", or "none"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if _, err := lambda.New(lambda.Config{Account: new(lambda.Account), Function: "f", Alias: "a", Version: "42", Previous: "42"}); err == nil || !strings.Contains(err.Error(), "nothing to go back to") {
		t.Error(err)
	}
	if _, err := lambda.Open(t.Context(), lambda.AccountConfig{Amazon: amazon.Config{BaseURL: "ftp://x"}}); err == nil {
		t.Error("a wrong URL was taken")
	}
}
