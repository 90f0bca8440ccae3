package config

import (
	"github.com/relgate/relgate/rules"
)

// The two ways in which a sink that acts may be set up.
const (
	actDry  = "dry-run"
	actLive = "live"
)

// Live reports whether a sink that can act may do so, and not only say what it would do.
func (s *SinkSpec) Live() bool { return s.Texts["act"] == actLive }

func actKey(of string) rules.AccountKey {
	return rules.AccountKey{Key: "act", Doc: "Type " + of + ": `live` acts when a step of the way back is due; `dry-run` only says what it would do, which counts as a failure of the step. Default: `dry-run`."}
}

func checkAct(c rules.Checker, s *SinkSpec) {
	if act := s.Texts["act"]; act != "" {
		c.At("act").OneOf("bad-value", "value of act", act, []string{actDry, actLive})
	}
	if !s.Live() {
		c.Note("dry-run", `write act = "live" when you have seen what it would do`, "it only says what it would do")
	}
	noNetwork(c, s, "its client has settings of its own")
}

var lambdaSink = sinkType{
	name: "lambda", doc: "takes the alias of a Lambda function back to the version before: `do = \"revert\"`; or lowers its weight: `do = \"weigh\"`", does: []string{rules.DoRevert, rules.DoWeigh},
	keys: []rules.AccountKey{
		{Key: "function", Required: true, Example: `"bioage-inference"`, Doc: "Type lambda: name or ARN of the function. Required there."},
		{Key: "alias", Required: true, Example: `"live"`, Doc: "Type lambda: name of the alias. Required there."},
		{Key: "region", Doc: "Type lambda: AWS region. Default: what the AWS SDK finds in its environment."},
		{Key: "role_arn", Doc: "Type lambda: AWS role to assume. Default: the credentials that the AWS SDK finds."},
		{Key: "codedeploy", Doc: "Type lambda: the deployment group of CodeDeploy that may shift the alias, `application/group`, or `none`. While it does, relgate does not touch the alias. Default: all deployments in progress of the account are looked at."},
		actKey("lambda"),
		apiKey("lambda", "that of the region"),
	},
	check: checkAct,
}
