// Package lambda changes which versions the alias of an AWS Lambda function sends its requests
// to: back to the version before a release, or to a share of the release for a phase.
//
// An update carries the RevisionId of what was read right before it, so that it never undoes
// what someone else has done meanwhile, and always says all weights: where the routing is
// left out, Lambda keeps it, and a rollback would change nothing. Updates are sent once. What
// became of one without an answer is read from the alias.
//
// Nothing at an alias says that CodeDeploy owns it. So CodeDeploy is asked for deployments in
// progress, of one deployment group or of the whole account.
package lambda
