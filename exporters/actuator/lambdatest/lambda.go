// Package lambdatest is AWS Lambda and CodeDeploy in memory for tests and demonstrations: the
// calls that relgate makes of them, with one function and one alias, strict about what they
// hold.
package lambdatest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/outbox/faulttest"
)

// Alias is what an alias holds.
type Alias struct {
	Version string
	Weights map[string]float64 // :: additional version → share
}

// Update is an UpdateAlias that was carried out.
type Update struct{ From, To Alias }

// Deployment is a deployment of CodeDeploy.
type Deployment struct {
	ID, Status         string
	Application, Group string
	Function, Alias    string // both empty: it is none of Lambda
}

// Server is Lambda and CodeDeploy. Its fields are set before it is used.
type Server struct {
	Function string
	Name     string            // of the alias
	States   map[string]string // :: version → its state
	// Fault is asked what becomes of a request, the nth from 1; nil means nothing.
	Fault func(n int) faulttest.Fault
	// Before is called before a request is carried out, with its name in IAM; nil: nothing is.
	Before func(action string)
	// Answer may answer a request in place of Lambda; nil means that it never does.
	Answer func(action string, w http.ResponseWriter) (done bool)

	mu          sync.Mutex
	alias       Alias
	revision    int
	updates     []Update
	deployments []Deployment
	calls       []string
	wrong       []string
}

// Move sets the alias, as someone else does.
func (s *Server) Move(version string, weights map[string]float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alias = Alias{version, maps.Clone(weights)}
	s.revision++
}

// Deploy sets the deployments of CodeDeploy.
func (s *Server) Deploy(list ...Deployment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deployments = list
}

// Alias is what the alias holds now.
func (s *Server) Alias() Alias {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Alias{s.alias.Version, maps.Clone(s.alias.Weights)}
}

// Updates are those that were carried out, in order.
func (s *Server) Updates() []Update {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.updates)
}

// Calls are the requests, by their names in IAM.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Wrong is what was wrong with what was sent.
func (s *Server) Wrong() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.wrong)
}

type answer struct {
	status int
	code   string // of an error
	body   any
}

type object = map[string]any

// late is how long after its request a late one is carried out.
const late = 20 * time.Second

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	action := s.action(r)
	s.mu.Lock()
	s.calls = append(s.calls, action)
	n := len(s.calls)
	s.mu.Unlock()
	if s.Before != nil {
		s.Before(action)
	}
	if s.Answer != nil && s.Answer(action, w) {
		return
	}
	fault := faulttest.None
	if s.Fault != nil {
		fault = s.Fault(n)
	}
	do := func() answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.do(action, r, body)
	}
	switch fault {
	case faulttest.Busy:
		w.Header().Set("Retry-After", "2")
		write(w, r, answer{429, "TooManyRequestsException", object{"Reason": "CallerRateLimitExceeded", "Type": "User", "message": "Rate exceeded"}})
	case faulttest.Broken, faulttest.Lying:
		if fault.Done() {
			do()
		}
		write(w, r, answer{500, "ServiceException", object{"Type": "Service", "Message": "An error occurred and the request cannot be processed."}})
	case faulttest.Dropped:
		do()
		panic(http.ErrAbortHandler)
	case faulttest.Hanging, faulttest.Lost:
		if fault.Done() {
			do()
		}
		<-r.Context().Done()
	case faulttest.Late:
		time.AfterFunc(late, func() { do() })
		<-r.Context().Done()
	default:
		write(w, r, do())
	}
}

func write(w http.ResponseWriter, r *http.Request, a answer) {
	w.Header().Set("Content-Type", "application/json")
	if a.code != "" {
		w.Header().Set("X-Amzn-ErrorType", a.code)
	}
	if r.Header.Get("X-Amz-Target") != "" {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if b, ok := a.body.(object); ok && a.code != "" {
			b["__type"] = a.code
		}
	}
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // the client may be gone
}

// action is the name of a call in IAM.
func (s *Server) action(r *http.Request) string {
	if op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "CodeDeploy_20141006."); ok && r.Method == http.MethodPost && r.URL.Path == "/" {
		return "codedeploy:" + op
	}
	rest, _ := strings.CutPrefix(r.URL.Path, "/2015-03-31/functions/")
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) == 3 && parts[1] == "aliases" && r.Method == http.MethodGet:
		return "lambda:GetAlias"
	case len(parts) == 3 && parts[1] == "aliases" && r.Method == http.MethodPut:
		return "lambda:UpdateAlias"
	case len(parts) == 2 && parts[1] == "configuration" && r.Method == http.MethodGet:
		return "lambda:GetFunctionConfiguration"
	}
	return "unknown"
}

// signature is an Authorization header of AWS's Signature Version 4.
var signature = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/ ]+/(\d{8})/[a-z0-9-]+/([a-z]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}$`)

// signed checks the form of a signature. The signature itself is not verified: that would
// need the secret key.
func signed(action string, r *http.Request) bool {
	m := signature.FindStringSubmatch(r.Header.Get("Authorization"))
	service, _, _ := strings.Cut(action, ":")
	return m != nil && m[2] == service && strings.HasPrefix(r.Header.Get("X-Amz-Date"), m[1]) &&
		slices.Contains(strings.Split(m[3], ";"), "host") && slices.Contains(strings.Split(m[3], ";"), "x-amz-date")
}

func (s *Server) fail(format string, args ...any) answer {
	text := fmt.Sprintf(format, args...)
	s.wrong = append(s.wrong, text)
	return answer{400, "InvalidParameterValueException", object{"Type": "User", "message": text}}
}

func missing(what string) answer {
	return answer{404, "ResourceNotFoundException", object{"Type": "User", "Message": what}}
}

// do carries a request out. The lock is held.
func (s *Server) do(action string, r *http.Request, body []byte) answer {
	if !signed(action, r) {
		s.wrong = append(s.wrong, action+": no signature of its service")
		return answer{403, "IncompleteSignatureException", object{"message": "The request signature does not conform to AWS standards."}}
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/2015-03-31/functions/"), "/")
	switch action {
	case "lambda:GetAlias", "lambda:UpdateAlias":
		if parts[0] != s.Function || parts[2] != s.Name {
			return missing("Cannot find alias arn: " + arn(parts[0], parts[2]))
		}
		if action == "lambda:UpdateAlias" {
			if a, ok := s.update(body); !ok {
				return a
			}
		}
		return answer{200, "", s.shown()}
	case "lambda:GetFunctionConfiguration":
		v := r.URL.Query().Get("Qualifier")
		switch {
		case len(r.URL.Query()) != 1 || v == "":
			return s.fail("GetFunctionConfiguration without a qualifier: %v", r.URL.Query())
		case parts[0] != s.Function || s.States[v] == "":
			return missing("Function not found: " + arn(parts[0], v))
		}
		return answer{200, "", object{"FunctionName": s.Function, "FunctionArn": arn(s.Function, v), "Version": v, "State": s.States[v], "LastUpdateStatus": "Successful"}}
	case "codedeploy:ListDeployments", "codedeploy:ListDeploymentTargets", "codedeploy:BatchGetDeploymentTargets":
		return s.codedeploy(action, body)
	}
	return s.fail("%s %s is no call that is known here", r.Method, r.URL.Path)
}

func arn(function, qualifier string) string {
	return "arn:aws:lambda:eu-central-1:123456789012:function:" + function + ":" + qualifier
}

func (s *Server) shown() object {
	o := object{"AliasArn": arn(s.Function, s.Name), "Name": s.Name, "FunctionVersion": s.alias.Version, "Description": "", "RevisionId": s.revisionID()}
	if len(s.alias.Weights) > 0 {
		o["RoutingConfig"] = object{"AdditionalVersionWeights": s.alias.Weights}
	}
	return o
}

func (s *Server) revisionID() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", s.revision) }

// update writes the alias, if all of the request is right. As in Lambda, what is left out
// changes nothing: only an empty map takes the weights away. Here that is wrong, though.
func (s *Server) update(body []byte) (answer, bool) {
	var sent map[string]json.RawMessage
	var in struct {
		FunctionVersion string
		RevisionID      string `json:"RevisionId"`
		RoutingConfig   *struct{ AdditionalVersionWeights map[string]float64 }
	}
	if json.Unmarshal(body, &sent) != nil || json.Unmarshal(body, &in) != nil {
		return s.fail("UpdateAlias: body %q", body), false
	}
	for key := range sent {
		if !slices.Contains([]string{"FunctionVersion", "RevisionId", "RoutingConfig"}, key) {
			return s.fail("UpdateAlias: field %s", key), false
		}
	}
	switch {
	case in.RevisionID == "" || in.FunctionVersion == "":
		return s.fail("UpdateAlias without RevisionId or FunctionVersion: what others have done meanwhile would be undone"), false
	case in.RoutingConfig == nil || in.RoutingConfig.AdditionalVersionWeights == nil:
		return s.fail("UpdateAlias without AdditionalVersionWeights: the weights would stay"), false
	case in.RevisionID != s.revisionID():
		return answer{412, "PreconditionFailedException", object{"Type": "User",
			"message": "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve the latest RevisionId"}}, false
	}
	if a, ok := s.check(in.FunctionVersion, in.RoutingConfig.AdditionalVersionWeights); !ok {
		return a, false
	}
	to := Alias{in.FunctionVersion, in.RoutingConfig.AdditionalVersionWeights}
	s.updates = append(s.updates, Update{s.alias, to})
	s.alias = to
	s.revision++
	return answer{}, true
}

func (s *Server) check(version string, weights map[string]float64) (answer, bool) {
	for _, v := range append(slices.Sorted(maps.Keys(weights)), version) {
		if _, err := strconv.Atoi(v); err != nil {
			return s.fail("UpdateAlias: version %q is not published", v), false
		}
		if s.States[v] == "" {
			return missing("Function not found: " + arn(s.Function, v)), false
		}
	}
	if len(weights) > 1 {
		return s.fail("Number of items in AdditionalVersionWeights cannot be greater than 1."), false
	}
	for v, share := range weights {
		if v == version || !(share >= 0 && share <= 1) {
			return s.fail("UpdateAlias: version %s with weight %v beside version %s", v, share, version), false
		}
	}
	return answer{}, true
}
