package simulator

import (
	"fmt"
	"net/http"
	"strings"
)

// lambdaFunctions is the path that Lambda's function calls start with.
const lambdaFunctions = "/2015-03-31/functions/"

func lambdaOperation(r *http.Request) string {
	switch {
	case r.Method == http.MethodPut:
		return "UpdateAlias"
	case strings.HasSuffix(r.URL.Path, "/configuration"):
		return "GetFunctionConfiguration"
	}
	return "GetAlias"
}

type routingConfig struct {
	AdditionalVersionWeights map[string]float64 `json:"AdditionalVersionWeights,omitempty"`
}

type updateAliasInput struct {
	FunctionVersion string         `json:"FunctionVersion"`
	Description     *string        `json:"Description"`
	RevisionID      string         `json:"RevisionId"`
	RoutingConfig   *routingConfig `json:"RoutingConfig"`
}

type aliasConfiguration struct {
	AliasArn        string         `json:"AliasArn"`
	Name            string         `json:"Name"`
	FunctionVersion string         `json:"FunctionVersion"`
	Description     string         `json:"Description"`
	RevisionID      string         `json:"RevisionId"`
	RoutingConfig   *routingConfig `json:"RoutingConfig,omitempty"`
}

func (s *Simulator) serveLambda(w http.ResponseWriter, r *http.Request, op string) {
	if op == "GetFunctionConfiguration" {
		s.functionConfiguration(w, r)
		return
	}
	function, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, lambdaFunctions), "/aliases/")
	if n := s.world.s.Names; !ok || function != n.Function || name != n.Alias {
		writeAWSError(w, r, &awsError{status: http.StatusNotFound, code: "ResourceNotFoundException",
			message: fmt.Sprintf("Cannot find alias arn: %s", aliasARN(function, name))})
		return
	}
	if op == "UpdateAlias" {
		if e := s.updateAlias(r); e != nil {
			writeAWSError(w, r, e)
			return
		}
	} else if r.Method != http.MethodGet {
		writeAWSError(w, r, &awsError{status: http.StatusMethodNotAllowed, code: "InvalidRequestException", message: "Method not allowed"})
		return
	}
	writeAWS(w, r, http.StatusOK, s.aliasConfiguration())
}

// functionConfiguration says that a version is there, and active.
func (s *Simulator) functionConfiguration(w http.ResponseWriter, r *http.Request) {
	function := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, lambdaFunctions), "/configuration")
	version, n := r.URL.Query().Get("Qualifier"), s.world.s.Names
	if function != n.Function || version != n.Stable && version != n.Canary {
		writeAWSError(w, r, &awsError{status: http.StatusNotFound, code: "ResourceNotFoundException", message: "Function not found: " + aliasARN(function, version)})
		return
	}
	writeAWS(w, r, http.StatusOK, map[string]any{"FunctionName": function, "FunctionArn": aliasARN(function, version), "Version": version, "State": "Active", "LastUpdateStatus": "Successful"})
}

func aliasARN(function, name string) string {
	return "arn:aws:lambda:eu-central-1:123456789012:function:" + function + ":" + name
}

func (s *Simulator) aliasConfiguration() aliasConfiguration {
	n := s.world.s.Names
	a := s.world.aliasAt(s.now().Unix())
	out := aliasConfiguration{AliasArn: aliasARN(n.Function, n.Alias), Name: n.Alias, FunctionVersion: a.version, RevisionID: a.revision()}
	if len(a.weights) > 0 {
		out.RoutingConfig = &routingConfig{a.weights}
	}
	return out
}

// revision names what the alias holds, so that it changes when that changes.
func (a alias) revision() string {
	return uuid(fmt.Sprintf("alias %s %v", a.version, a.weights))
}

// updateAlias writes the alias. As in the real service, absent members change
// nothing: only an empty map removes the weights.
func (s *Simulator) updateAlias(r *http.Request) *awsError {
	var in updateAliasInput
	if e := readAWS(r, &in); e != nil {
		return e
	}
	now := s.now()
	a := s.world.aliasAt(now.Unix())
	if in.RevisionID != "" && in.RevisionID != a.revision() {
		return &awsError{status: http.StatusPreconditionFailed, code: "PreconditionFailedException",
			message: "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve the latest RevisionId"}
	}
	if in.FunctionVersion != "" {
		a.version = in.FunctionVersion
	}
	if in.RoutingConfig != nil && in.RoutingConfig.AdditionalVersionWeights != nil {
		a.weights = in.RoutingConfig.AdditionalVersionWeights
	}
	if e := s.checkAlias(a); e != nil {
		return e
	}
	s.world.writeAlias(now, a)
	s.cfg.OnWrite()
	return nil
}

func (s *Simulator) checkAlias(a alias) *awsError {
	bad := func(format string, args ...any) *awsError {
		return &awsError{status: http.StatusBadRequest, code: "InvalidParameterValueException", message: fmt.Sprintf(format, args...)}
	}
	n := s.world.s.Names
	known := func(v string) bool { return v == n.Stable || v == n.Canary }
	if !known(a.version) {
		return &awsError{status: http.StatusNotFound, code: "ResourceNotFoundException", message: "Function not found: " + aliasARN(n.Function, a.version)}
	}
	if len(a.weights) > 1 {
		return bad("Number of items in AdditionalVersionWeights cannot be greater than 1.")
	}
	for v, share := range a.weights {
		switch {
		case !known(v):
			return &awsError{status: http.StatusNotFound, code: "ResourceNotFoundException", message: "Function not found: " + aliasARN(n.Function, v)}
		case v == a.version:
			return bad("Invalid function version %s. Function version %s is already included in routing configuration.", v, v)
		case share < 0 || share > 1:
			return bad("Member must be between 0 and 1: the weight of version %s is %v.", v, share)
		}
	}
	return nil
}
