package connect

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// VersionsRef asks for the versions of an app that have a version string.
func VersionsRef(app, version string) string {
	return "/v1/apps/" + url.PathEscape(app) + "/appStoreVersions?" + url.Values{
		"filter[versionString]":    {version},
		"fields[appStoreVersions]": {"versionString,platform,appVersionState"},
		"limit":                    {"200"},
	}.Encode()
}

// VersionRef asks for the state of a version.
func VersionRef(versionID string) string {
	return "/v1/appStoreVersions/" + url.PathEscape(versionID) + "?" + url.Values{"fields[appStoreVersions]": {"appVersionState"}}.Encode()
}

// VersionBody is an answer of /v1/appStoreVersions/{id}.
type VersionBody struct {
	Data struct {
		Attributes struct {
			State string `json:"appVersionState"`
		} `json:"attributes"`
	} `json:"data"`
}

// beforeSale are the states of a version that no user can get yet.
var beforeSale = []string{
	"ACCEPTED", "DEVELOPER_REJECTED", "IN_REVIEW", "INVALID_BINARY", "METADATA_REJECTED", "PENDING_APPLE_RELEASE", "PENDING_DEVELOPER_RELEASE",
	"PREPARE_FOR_SUBMISSION", "PROCESSING_FOR_DISTRIBUTION", "READY_FOR_REVIEW", "REJECTED", "WAITING_FOR_EXPORT_COMPLIANCE", "WAITING_FOR_REVIEW",
}

// OnSale reports whether a version without a phased release is on sale, so that all users
// get it. An error says that neither this nor the opposite is so.
func (v VersionBody) OnSale() (bool, *sources.CallError) {
	switch state := v.Data.Attributes.State; {
	case state == "READY_FOR_DISTRIBUTION":
		return true, nil
	case slices.Contains(beforeSale, state):
		return false, nil
	case state == "":
		return false, Partial("the version has no state")
	default: // another version has taken its place
		return false, &sources.CallError{Fault: rules.NoData, Detail: sources.Clip(sources.Scrub("the version is " + state + ": how many users have it is not told"))}
	}
}

// Versions is an answer of /v1/apps/{id}/appStoreVersions.
type Versions struct {
	Data *[]struct {
		ID         string `json:"id"`
		Attributes struct {
			VersionString string `json:"versionString"`
			Platform      string `json:"platform"`
		} `json:"attributes"`
	} `json:"data"`
}

// Only gives the id of the single version of an app that has a version string.
func (v Versions) Only(app, version string) (string, *sources.CallError) {
	if v.Data == nil {
		return "", Partial("the answer lacks data")
	}
	var ids, names []string
	for _, d := range *v.Data {
		if d.ID != "" && d.Attributes.VersionString == version {
			ids = append(ids, d.ID)
			names = append(names, fmt.Sprintf("%s %s", d.Attributes.Platform, d.ID))
		}
	}
	switch len(ids) {
	case 0:
		return "", Wrong("app %s has no version %q", app, version)
	case 1:
		return ids[0], nil
	}
	return "", Wrong("version %q of app %s is ambiguous: set version_id to one of %s", version, app, strings.Join(names, ", "))
}

// Explain finds the words of an error: {"errors":[{"status":"403","code":…}]}.
func Explain(b []byte) string {
	var e struct {
		Errors []struct {
			Code   string `json:"code"`
			Title  string `json:"title"`
			Detail string `json:"detail"`
			Source struct {
				Parameter string `json:"parameter"`
				Pointer   string `json:"pointer"`
			} `json:"source"`
		} `json:"errors"`
	}
	if json.Unmarshal(b, &e) != nil || len(e.Errors) == 0 {
		return ""
	}
	first := e.Errors[0]
	said := first.Detail
	if said == "" {
		said = first.Title
	}
	if where := first.Source.Parameter + first.Source.Pointer; where != "" {
		said += " (" + where + ")"
	}
	return strings.TrimSpace(first.Code + " " + said)
}

// Limits reads "user-hour-lim:3600;user-hour-rem:3121;". The hour is a rolling
// one; the header does not say when requests are possible again.
func Limits(h http.Header, _ int, _ time.Time) (resetAt time.Time, remaining float64) {
	for part := range strings.SplitSeq(h.Get("X-Rate-Limit"), ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "user-hour-rem:"); ok {
			if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && !math.IsInf(n, 0) {
				return time.Time{}, n
			}
		}
	}
	return time.Time{}, -1
}

// Wrong is a question that cannot be answered as it is.
func Wrong(format string, args ...any) *sources.CallError {
	return &sources.CallError{Fault: rules.ConfigFault, Detail: sources.Clip(fmt.Sprintf(format, args...))}
}

// Partial is an answer that cannot be used.
func Partial(format string, args ...any) *sources.CallError {
	return &sources.CallError{Fault: rules.PartialData, Detail: sources.Clip(sources.Scrub(fmt.Sprintf(format, args...)))}
}
