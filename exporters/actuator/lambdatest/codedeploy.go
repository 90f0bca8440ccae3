package lambdatest

import (
	"encoding/json"
	"slices"
)

// statuses are those that deployments are asked for by.
var statuses = []string{"Created", "Queued", "InProgress", "Baking", "Succeeded", "Failed", "Stopped", "Ready"}

// perPage is how many ids a page has. CodeDeploy says nothing of it.
const perPage = 20

// codedeploy answers a call of CodeDeploy. The lock is held.
func (s *Server) codedeploy(action string, body []byte) answer {
	var in struct {
		Application string   `json:"applicationName"`
		Group       string   `json:"deploymentGroupName"`
		Statuses    []string `json:"includeOnlyStatuses"`
		NextToken   string   `json:"nextToken"`
		ID          string   `json:"deploymentId"`
		Targets     []string `json:"targetIds"`
	}
	if json.Unmarshal(body, &in) != nil {
		return s.fail("%s: body %q", action, body)
	}
	if action == "codedeploy:ListDeployments" {
		return s.list(in.Application, in.Group, in.Statuses, in.NextToken)
	}
	i := slices.IndexFunc(s.deployments, func(d Deployment) bool { return d.ID == in.ID })
	if i < 0 {
		return answer{400, "DeploymentDoesNotExistException", object{"message": "The deployment does not exist"}}
	}
	d := s.deployments[i]
	target := d.Function
	if target == "" {
		target = "i-0123456789abcdef0"
	}
	switch {
	case d.Status == "Created" || d.Status == "Queued":
		return answer{400, "DeploymentNotStartedException", object{"message": "The deployment has not started"}}
	case action == "codedeploy:ListDeploymentTargets":
		return answer{200, "", object{"targetIds": []string{target}}}
	case !slices.Equal(in.Targets, []string{target}):
		return s.fail("%s: targets %q", action, in.Targets)
	case d.Function == "":
		return answer{200, "", object{"deploymentTargets": []any{object{"deploymentTargetType": "InstanceTarget", "instanceTarget": object{"deploymentId": d.ID, "targetId": target}}}}}
	}
	return answer{200, "", object{"deploymentTargets": []any{object{"deploymentTargetType": "LambdaTarget", "lambdaTarget": object{"deploymentId": d.ID, "targetId": target,
		"lambdaFunctionInfo": object{"functionName": d.Function, "functionAlias": d.Alias, "currentVersion": "42", "targetVersion": "43", "targetVersionWeight": 0.1}}}}}}
}

func (s *Server) list(application, group string, wanted []string, token string) answer {
	if (application == "") != (group == "") || len(wanted) == 0 || slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(statuses, w) }) {
		return s.fail("ListDeployments of %q/%q with statuses %q", application, group, wanted)
	}
	if application != "" && !slices.ContainsFunc(s.deployments, func(d Deployment) bool { return d.Application == application && d.Group == group }) {
		return answer{400, "DeploymentGroupDoesNotExistException", object{"message": "No Deployment Group found for name: " + group}}
	}
	ids := []string{}
	for _, d := range s.deployments {
		if (application == "" || d.Application == application && d.Group == group) && slices.Contains(wanted, d.Status) {
			ids = append(ids, d.ID)
		}
	}
	from := 0
	if token != "" {
		from = 1 + slices.Index(ids, token)
	}
	page := ids[from:min(from+perPage, len(ids))]
	out := object{"deployments": page}
	if from+len(page) < len(ids) {
		out["nextToken"] = page[len(page)-1]
	}
	return answer{200, "", out}
}
