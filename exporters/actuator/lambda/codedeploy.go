package lambda

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/internal/amazon"
)

// Statuses of deployments that shift something. A deployment that has not begun shifts nothing
// yet, and does not say what it will: in a group that is named it counts nevertheless, of a
// whole account it does not.
var (
	underway = []types.DeploymentStatus{types.DeploymentStatusInProgress, types.DeploymentStatusReady, types.DeploymentStatusBaking}
	waiting  = []types.DeploymentStatus{types.DeploymentStatusCreated, types.DeploymentStatusQueued}
)

// mostDeployments is how many deployments of an account are looked at.
const mostDeployments = 50

func (a *Alias) parseCodeDeploy() error {
	if a.CodeDeploy == "" || a.CodeDeploy == NoCodeDeploy {
		return nil
	}
	var ok bool
	a.application, a.group, ok = strings.Cut(a.CodeDeploy, "/")
	if !ok || a.application == "" || a.group == "" || strings.Contains(a.group, "/") {
		return fmt.Errorf(`codedeploy %q: want "application/group", or %q where CodeDeploy shifts no alias`, a.CodeDeploy, NoCodeDeploy)
	}
	return nil
}

// owner is the id of the deployment that is shifting the alias, empty for none.
func (a *Alias) owner(ctx context.Context) (string, error) {
	switch {
	case a.CodeDeploy == NoCodeDeploy:
		return "", nil
	case a.group != "":
		ids, err := a.deployments(ctx, &codedeploy.ListDeploymentsInput{
			ApplicationName: &a.application, DeploymentGroupName: &a.group, IncludeOnlyStatuses: append(waiting, underway...)})
		if err != nil || len(ids) == 0 {
			return "", err
		}
		return ids[0], nil
	}
	ids, err := a.deployments(ctx, &codedeploy.ListDeploymentsInput{IncludeOnlyStatuses: underway})
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if mine, err := a.shifts(ctx, id); err != nil || mine {
			return id, err
		}
	}
	return "", nil
}

// deployments are the ids of those that are asked for.
func (a *Alias) deployments(ctx context.Context, in *codedeploy.ListDeploymentsInput) (ids []string, err error) {
	for {
		out, err := amazon.Call(ctx, a.Account.codedeploy.ListDeployments, in)
		if err != nil {
			return nil, a.unasked("codedeploy:ListDeployments", err)
		}
		ids = append(ids, out.Deployments...)
		if in.NextToken = out.NextToken; aws.ToString(out.NextToken) == "" {
			return ids, nil
		}
		if len(ids) > mostDeployments {
			return nil, actuator.Refuse(`CodeDeploy has more than %d deployments in progress: set codedeploy to the "application/group" that shifts %s, or to %q`, mostDeployments, a, NoCodeDeploy)
		}
	}
}

// shifts reports whether a deployment shifts the alias.
func (a *Alias) shifts(ctx context.Context, id string) (bool, error) {
	// A deployment of Lambda has a target or a few, so the first page has them all.
	targets, err := amazon.Call(ctx, a.Account.codedeploy.ListDeploymentTargets, &codedeploy.ListDeploymentTargetsInput{DeploymentId: &id})
	if err != nil {
		return false, a.unasked("codedeploy:ListDeploymentTargets", err)
	}
	if len(targets.TargetIds) == 0 {
		return false, nil
	}
	ids := targets.TargetIds[:min(len(targets.TargetIds), 25)] // the most that are given at once
	out, err := amazon.Call(ctx, a.Account.codedeploy.BatchGetDeploymentTargets, &codedeploy.BatchGetDeploymentTargetsInput{DeploymentId: &id, TargetIds: ids})
	if err != nil {
		return false, a.unasked("codedeploy:BatchGetDeploymentTargets", err)
	}
	for _, t := range out.DeploymentTargets {
		if t.LambdaTarget == nil || t.LambdaTarget.LambdaFunctionInfo == nil {
			continue
		}
		f := t.LambdaTarget.LambdaFunctionInfo
		if functionName(aws.ToString(f.FunctionName)) == functionName(a.Function) && aws.ToString(f.FunctionAlias) == a.Alias {
			return true, nil
		}
	}
	return false, nil
}

// unasked is that CodeDeploy did not say what it does: then it may own the alias.
func (a *Alias) unasked(action string, err error) error {
	if ended, ok := errors.AsType[*types.DeploymentDoesNotExistException](err); ok {
		return &actuator.Error{Reason: fmt.Sprintf("%s: a deployment of CodeDeploy went away while it was looked at: %s", action, amazon.Scrub(ended.ErrorMessage()))}
	}
	e := a.failed(action, err)
	e.Reason = fmt.Sprintf("whether CodeDeploy is shifting %s is not known: %s", a, e.Reason)
	if e.Final {
		e.Reason += fmt.Sprintf(`. Where CodeDeploy shifts no alias, set codedeploy to %q`, NoCodeDeploy)
	}
	return e
}

// functionName is the name of a function that is given by name, ARN or a part of one.
func functionName(text string) string {
	if _, name, ok := strings.Cut(text, "function:"); ok {
		text = name
	}
	name, _, _ := strings.Cut(text, ":")
	return name
}
