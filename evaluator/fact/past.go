package fact

import "time"

// Past is a release that passed before this one, as the journal told of it.
type Past struct {
	Run    string    `json:"run"` // its id
	At     time.Time `json:"at"`  // when it passed
	Totals []Total   `json:"totals"`
}

// Total is what a release had counted of a signal when it passed.
type Total struct {
	Signal  string  `json:"signal"`
	Bad     float64 `json:"bad"`
	Samples float64 `json:"samples"`
	Zeros   string  `json:"zeros,omitempty"` // the name of what a missing value counted as zero of; empty where none was filled in
}

// Earlier is what the releases counted that passed before, beside what this one
// counts. They ran at other times, so that it warns and does no more.
type Earlier struct {
	Looked   int     `json:"looked"`   // releases that passed before, as far as was looked
	Releases int     `json:"releases"` // of them, those that counted the signal; zero: there is no baseline yet
	Bad      float64 `json:"bad"`
	Samples  float64 `json:"samples"`
	Worse    float64 `json:"worse"` // log e-value against "the release is no worse": warns from the bound; 0 where it is not
}
