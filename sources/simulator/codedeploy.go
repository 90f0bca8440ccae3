package simulator

import "net/http"

// codeDeployService is what the targets of CodeDeploy's calls begin with.
const codeDeployService = "CodeDeploy_20141006"

// serveCodeDeploy answers that nothing is being deployed: the aliases of a scenario are
// no one's but the rollout's.
func (s *Simulator) serveCodeDeploy(w http.ResponseWriter, r *http.Request, op string) {
	if op != "ListDeployments" {
		writeAWSError(w, r, &awsError{status: http.StatusBadRequest, code: "DeploymentDoesNotExistException", message: "The deployment does not exist"})
		return
	}
	var in struct {
		Application string `json:"applicationName"`
		Group       string `json:"deploymentGroupName"`
	}
	if e := readAWS(r, &in); e != nil {
		writeAWSError(w, r, e)
		return
	}
	if (in.Application == "") != (in.Group == "") {
		writeAWSError(w, r, &awsError{status: http.StatusBadRequest, code: "DeploymentGroupNameRequiredException", message: "An application is named with a group, or neither is"})
		return
	}
	writeAWS(w, r, http.StatusOK, map[string]any{"deployments": []string{}})
}
