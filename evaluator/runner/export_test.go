package runner

import "time"

// SteadyOn is a Steady that reads a test's clock.
func SteadyOn(read func() (wall time.Time, count time.Duration), stepped func(by, ahead time.Duration)) *Steady {
	return &Steady{read: read, Stepped: stepped}
}
