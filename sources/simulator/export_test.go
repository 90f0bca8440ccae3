package simulator

import "time"

// Released is the share of the users who have the release.
func (s *Simulator) Released(at time.Time) float64 { return s.world.level("traffic.mobile", at.Unix()) }
