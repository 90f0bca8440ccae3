package statuspage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Statuses of an incident and of a maintenance, in the order in which they follow.
var (
	incidentStatuses    = []string{"investigating", "identified", "monitoring", "resolved"}
	maintenanceStatuses = []string{"scheduled", "in_progress", "verifying", "completed"}
	componentStates     = []string{"operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage"}
)

// Target is what a message says of itself: "monitoring, API = degraded_performance, Web".
type Target struct {
	Status     string // of the incident or maintenance; empty: as it is
	Components []Component
}

// Component is a part of the page that a message is about.
type Component struct {
	Name  string // or its id
	State string // empty: as it is
}

// ParseTarget reads a target. The error names the word that is wrong.
func ParseTarget(text string) (t Target, err error) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if slices.Contains(incidentStatuses, item) || slices.Contains(maintenanceStatuses, item) {
			if t.Status != "" {
				return t, fmt.Errorf("it has two statuses, %q and %q", t.Status, item)
			}
			t.Status = item
			continue
		}
		name, state, given := strings.Cut(item, "=")
		c := Component{Name: strings.TrimSpace(name), State: strings.TrimSpace(state)}
		if given && !slices.Contains(componentStates, c.State) {
			return t, fmt.Errorf("component %q: state %q: want one of %s", c.Name, c.State, strings.Join(componentStates, ", "))
		}
		t.Components = append(t.Components, c)
	}
	return t, nil
}

// componentID is the form of Statuspage's ids.
var componentID = regexp.MustCompile(`^[a-z0-9]{8,40}$`)
