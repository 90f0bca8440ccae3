package config

import (
	"net/mail"
	"regexp"
	"strings"

	"github.com/relgate/relgate/rules"
)

var folderSink = sinkType{
	name: "folder", doc: "a folder that keeps the review of each run, as Markdown and JSON",
	keys: []rules.AccountKey{
		{Key: "path", Required: true, Example: `"/var/lib/relgate/reviews"`, Doc: "Type folder: the folder, beside the config file; it must be there. Required there."},
	},
	check: func(c rules.Checker, s *SinkSpec) { noNetwork(c, s, "a folder is not reached over the network") },
}

var githubSink = sinkType{
	name: "github", doc: "a repository on GitHub that keeps the review of each run, as Markdown",
	keys: []rules.AccountKey{
		{Key: "token", Secret: true, Required: true, Example: `{ env = "GITHUB_TOKEN" }`, Doc: "Type github: a fine-grained token that may write the repository's contents, and its pull requests with by pull-request. Required there."},
		{Key: "repository", Required: true, Example: `"example/releases"`, Doc: "Type github: owner and name. Required there."},
		{Key: "branch", Doc: "Type github: the branch that the review comes to. Default: the repository's own."},
		{Key: "path", Doc: "Type github: the folder in the repository. Default: its top."},
		{Key: "by", Doc: "Type github: `commit`, or `pull-request`, which a person merges. Default: `commit`."},
		apiKey("github", "https://api.github.com"),
	},
	check: func(c rules.Checker, s *SinkSpec) {
		if text := s.Texts["repository"]; text != "" && !repositoryName.MatchString(text) {
			c.At("repository").Fail("bad-value", "", `want "owner/name"`)
		}
		if text := s.Texts["path"]; text != "" && (!plainPath.MatchString(text) || strings.Contains("/"+text+"/", "/../") || strings.Contains("/"+text+"/", "/./")) {
			c.At("path").Fail("bad-value", "", `want a folder inside the repository, such as "docs/reviews"`)
		}
		if text := s.Texts["branch"]; text != "" && (!plainPath.MatchString(text) || strings.Contains(text, "..")) {
			c.At("branch").Fail("bad-value", "", "want the name of a branch")
		}
		if text := s.Texts["by"]; text != "" {
			c.At("by").OneOf("bad-value", "way", text, []string{"commit", "pull-request"})
		}
	},
}

var confluenceSink = sinkType{
	name: "confluence", doc: "a space in Confluence Cloud that keeps the review of each run, as a page",
	keys: []rules.AccountKey{
		{Key: "site", Required: true, URL: true, Example: `"https://example.atlassian.net"`, Doc: "Type confluence: address of the site. Required there."},
		{Key: "email", Required: true, Example: `"relgate@example.com"`, Doc: "Type confluence: e-mail of the account that the token is of. Required there."},
		{Key: "token", Secret: true, Required: true, Example: `{ env = "CONFLUENCE_TOKEN" }`, Doc: "Type confluence: an API token. Required there."},
		{Key: "space", Required: true, Example: `"REL"`, Doc: "Type confluence: key of the space. Required there."},
		{Key: "parent", Doc: "Type confluence: id of the page below which the reviews are. Default: the space's top."},
	},
	check: func(c rules.Checker, s *SinkSpec) {
		if text := s.Texts["email"]; text != "" {
			if a, err := mail.ParseAddress(text); err != nil || a.Address != text {
				c.At("email").Fail("bad-value", "", `want an address, such as "relgate@example.com"`)
			}
		}
		if text := s.Texts["space"]; text != "" && !spaceKey.MatchString(text) {
			c.At("space").Fail("bad-value", "look at the space's address", `want the key of a space, such as "REL"`)
		}
		if text := s.Texts["parent"]; text != "" && !pageNumber.MatchString(text) {
			c.At("parent").Fail("bad-value", "look at the page's address", "want the id of a page, a number")
		}
	},
}

var (
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)
	plainPath      = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)
	spaceKey       = regexp.MustCompile(`^~?[A-Za-z0-9]{1,255}$`)
	pageNumber     = regexp.MustCompile(`^[0-9]{1,20}$`)
)
