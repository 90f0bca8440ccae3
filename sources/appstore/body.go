package appstore

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore/kind"
)

// versions is an answer of /v1/apps/{id}/appStoreVersions.
type versions struct {
	Data *[]struct {
		ID         string `json:"id"`
		Attributes struct {
			VersionString string `json:"versionString"`
			Platform      string `json:"platform"`
		} `json:"attributes"`
	} `json:"data"`
}

// only gives the id of the single version that matches a query.
func (v versions) only(q kind.Query) (string, *sources.CallError) {
	if v.Data == nil {
		return "", partial("the answer lacks data")
	}
	var ids, names []string
	for _, d := range *v.Data {
		if d.ID != "" && d.Attributes.VersionString == q.Version {
			ids = append(ids, d.ID)
			names = append(names, fmt.Sprintf("%s %s", d.Attributes.Platform, d.ID))
		}
	}
	switch len(ids) {
	case 0:
		return "", wrongQuestion("app %s has no version %q", q.App, q.Version)
	case 1:
		return ids[0], nil
	}
	return "", wrongQuestion("version %q of app %s is ambiguous: set version_id to one of %s", q.Version, q.App, strings.Join(names, ", "))
}

// page is an answer of /v1/appStoreVersions/{id}/customerReviews.
type page struct {
	Data *[]struct {
		ID         string `json:"id"`
		Attributes struct {
			Rating      *float64 `json:"rating"`
			CreatedDate string   `json:"createdDate"`
			Territory   string   `json:"territory"`
		} `json:"attributes"`
	} `json:"data"`
	Links struct {
		Next string `json:"next"`
	} `json:"links"`
	Meta struct {
		Paging struct {
			Total *int `json:"total"`
		} `json:"paging"`
	} `json:"meta"`
}

// review is one customer's rating with text.
type review struct {
	id        string
	at        int64
	stars     float64
	territory string
}

// reviews reads a page, or says what is wrong with it.
func (p page) reviews() (out []review, wrong string) {
	if p.Data == nil {
		return nil, "the answer lacks data"
	}
	for _, d := range *p.Data {
		at, err := time.Parse(time.RFC3339, d.Attributes.CreatedDate)
		stars := d.Attributes.Rating
		switch {
		case d.ID == "":
			return nil, "the answer has a review without id"
		case err != nil:
			return nil, fmt.Sprintf("review %s was created at %q, which is not a time", d.ID, d.Attributes.CreatedDate)
		case stars == nil:
			return nil, fmt.Sprintf("review %s has no rating", d.ID)
		case *stars < 1 || *stars > 5 || *stars != math.Trunc(*stars):
			return nil, fmt.Sprintf("review %s has %v stars", d.ID, *stars)
		}
		out = append(out, review{d.ID, at.Unix(), *stars, d.Attributes.Territory})
	}
	return out, ""
}

// explain finds the words of an error: {"errors":[{"status":"403","code":…}]}.
func explain(b []byte) string {
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

// limits reads "user-hour-lim:3600;user-hour-rem:3121;". The hour is a rolling
// one; the header does not say when requests are possible again.
func limits(h http.Header, _ int, _ time.Time) (resetAt time.Time, remaining float64) {
	for part := range strings.SplitSeq(h.Get("X-Rate-Limit"), ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(part), "user-hour-rem:"); ok {
			if n, err := strconv.ParseFloat(v, 64); err == nil && n >= 0 && !math.IsInf(n, 0) {
				return time.Time{}, n
			}
		}
	}
	return time.Time{}, -1
}
