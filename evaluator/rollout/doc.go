// Package rollout says which share of the traffic a release is seen to have, and whether
// that is what its phase was planned to have. It is pure.
//
// A level, such as the weight of an alias, is taken as it is. Counts of the release and of
// what runs beside it say the share of the requests that were counted: over the newest
// settled periods, until there are enough, and never from a handful.
package rollout
