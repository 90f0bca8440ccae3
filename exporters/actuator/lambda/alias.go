package lambda

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/internal/amazon"
)

// Account is how one AWS account is reached. Many aliases may use it at once.
type Account struct {
	lambda     *lambda.Client
	codedeploy *codedeploy.Client
	loaded     aws.Config
	now        func() time.Time
}

// AccountConfig is what an [Account] needs.
type AccountConfig struct {
	Amazon        amazon.Config    // BaseURL is Lambda's
	CodeDeployURL string           // empty: the SDK's own
	Now           func() time.Time // time.Now if nil
}

// Open makes an account. It asks nothing.
func Open(ctx context.Context, c AccountConfig) (*Account, error) {
	loaded, err := amazon.Load(ctx, c.Amazon, new(amazon.Counters))
	if err != nil {
		return nil, fmt.Errorf("lambda: %w", err)
	}
	a := &Account{loaded: loaded, now: c.Now}
	if a.now == nil {
		a.now = time.Now
	}
	a.lambda = lambda.NewFromConfig(loaded, func(o *lambda.Options) {
		if base := amazon.Endpoint(c.Amazon.BaseURL); base != nil {
			o.BaseEndpoint = base
		}
		o.APIOptions = append(o.APIOptions, amazon.Guard("JSON"))
	})
	a.codedeploy = codedeploy.NewFromConfig(loaded, func(o *codedeploy.Options) {
		if base := amazon.Endpoint(c.CodeDeployURL); base != nil {
			o.BaseEndpoint = base
		}
		o.APIOptions = append(o.APIOptions, amazon.Guard("JSON"))
	})
	return a, nil
}

// CloseIdleConnections closes connections that no request uses.
func (a *Account) CloseIdleConnections() { amazon.CloseIdle(a.loaded) }

// NoCodeDeploy as Config.CodeDeploy says that CodeDeploy shifts no alias here. It is not asked.
const NoCodeDeploy = "none"

// Config names an alias, and the two versions of a release.
type Config struct {
	Account  *Account // required
	Function string   // name or ARN of the function; required
	Alias    string   // its name; required
	Version  string   // number of the version that is released; required
	Previous string   // number of the version before it; required

	// CodeDeploy is the deployment group that may shift the alias, as "application/group". If
	// empty, all deployments in progress of the account are looked at, which takes the
	// permissions codedeploy:ListDeployments, ListDeploymentTargets and
	// BatchGetDeploymentTargets. NoCodeDeploy: none is.
	CodeDeploy string
}

// Alias is the alias of one function, for one release.
type Alias struct {
	Config
	application, group string // of CodeDeploy, both empty for the whole account
}

// published is the number of a version that was published. $LATEST is none, and cannot be
// weighed.
var published = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// New makes an Alias, or says what is wrong with its config. It asks nothing.
func New(c Config) (*Alias, error) {
	a := &Alias{Config: c}
	var errs []error
	for _, required := range []struct{ key, value string }{{"function", c.Function}, {"alias", c.Alias}} {
		if required.value == "" {
			errs = append(errs, fmt.Errorf("%s is required", required.key))
		}
	}
	if c.Account == nil {
		errs = append(errs, errors.New("an account is required"))
	}
	for _, v := range []struct{ key, value string }{{"version", c.Version}, {"previous", c.Previous}} {
		if !published.MatchString(v.value) {
			errs = append(errs, fmt.Errorf("%s %q: want the number of a published version, such as 42", v.key, v.value))
		}
	}
	if c.Version == c.Previous {
		errs = append(errs, fmt.Errorf("version and previous are both %q: there is nothing to go back to", c.Version))
	}
	if err := a.parseCodeDeploy(); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("lambda: %w", errors.Join(errs...))
	}
	return a, nil
}

// Seen is what stands at an alias.
type Seen struct {
	FunctionVersion string             // gets what Weights leave
	Weights         map[string]float64 // :: additional version → its share of the requests, 0 to 1; only those with some
	Revision        string             // RevisionId, which changes with every update
	Share           float64            // of the requests, 0 to 1, that the released version gets
	States          map[string]string  // :: version that was looked at → its state, such as "Active"; empty where it is not there
	Owner           string             // id of CodeDeploy's deployment that is shifting the alias; empty for none
}

// Look says what stands there, changing nothing. Its error is an [actuator.Error].
func (a *Alias) Look(ctx context.Context) (Seen, error) {
	return a.look(ctx, a.Previous, a.Version)
}

func (a *Alias) look(ctx context.Context, versions ...string) (Seen, error) {
	s, err := a.read(ctx)
	if err != nil {
		return Seen{}, err
	}
	s.States = map[string]string{}
	for _, v := range versions {
		if s.States[v], err = a.state(ctx, v); err != nil {
			return Seen{}, err
		}
	}
	if s.Owner, err = a.owner(ctx); err != nil {
		return Seen{}, err
	}
	return s, nil
}

// read reads the alias alone.
func (a *Alias) read(ctx context.Context) (Seen, error) {
	out, err := amazon.Call(ctx, a.Account.lambda.GetAlias, &lambda.GetAliasInput{FunctionName: &a.Function, Name: &a.Alias})
	if notThere(err) {
		return Seen{}, actuator.Refuse("function %s has no alias %q, or there is no such function in this region and account", a.Function, a.Alias)
	}
	if err != nil {
		return Seen{}, a.failed("lambda:GetAlias", err)
	}
	s := Seen{FunctionVersion: aws.ToString(out.FunctionVersion), Revision: aws.ToString(out.RevisionId), Weights: map[string]float64{}}
	rest := 1.0
	if out.RoutingConfig != nil {
		for v, share := range out.RoutingConfig.AdditionalVersionWeights {
			if !(share >= 0 && share <= 1) {
				return Seen{}, &actuator.Error{Reason: fmt.Sprintf("lambda:GetAlias: the answer gives version %q the weight %v", v, share)}
			}
			if share > 0 {
				s.Weights[v] = share
				rest -= share
			}
		}
	}
	if s.FunctionVersion == "" || s.Revision == "" || rest < -tolerance {
		return Seen{}, &actuator.Error{Reason: "lambda:GetAlias: the answer lacks FunctionVersion or RevisionId, or its weights are more than all"}
	}
	s.Share = s.Weights[a.Version]
	if s.FunctionVersion == a.Version {
		s.Share = max(rest, 0)
	}
	return s, nil
}

// state is the state of a version, empty where it is not there.
func (a *Alias) state(ctx context.Context, version string) (string, error) {
	out, err := amazon.Call(ctx, a.Account.lambda.GetFunctionConfiguration, &lambda.GetFunctionConfigurationInput{FunctionName: &a.Function, Qualifier: &version})
	switch {
	case notThere(err):
		return "", nil
	case err != nil:
		return "", a.failed("lambda:GetFunctionConfiguration", err)
	case aws.ToString(out.Version) != version || out.State == "":
		return "", &actuator.Error{Reason: fmt.Sprintf("lambda:GetFunctionConfiguration: the answer does not say the state of version %s", version)}
	}
	return string(out.State), nil
}

// update sends one update of the alias, for what was seen.
func (a *Alias) update(ctx context.Context, s Seen, to target) error {
	in := &lambda.UpdateAliasInput{
		FunctionName: &a.Function, Name: &a.Alias, FunctionVersion: &to.version, RevisionId: &s.Revision,
		// Never nil: only a map that is there and empty takes weights away.
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: to.weights},
	}
	once := func(o *lambda.Options) { o.Retryer = aws.NopRetryer{} }
	_, err := amazon.Call(ctx, func(ctx context.Context, in *lambda.UpdateAliasInput, more ...func(*lambda.Options)) (*lambda.UpdateAliasOutput, error) {
		return a.Account.lambda.UpdateAlias(ctx, in, append(more, once)...)
	}, in)
	return err
}
