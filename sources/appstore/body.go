package appstore

import (
	"fmt"
	"math"
	"time"
)

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
