package simulator

import "encoding/json"

// written is what clients have written: the alias, and the phased release.
type written struct {
	Aliases []keptAlias  `json:"aliases"`
	Phased  []keptPhased `json:"phased"`
}

type keptAlias struct {
	At      int64              `json:"at"` // Unix seconds
	Version string             `json:"version"`
	Weights map[string]float64 `json:"weights"`
}

type keptPhased struct {
	At    int64  `json:"at"` // Unix seconds
	State string `json:"state"`
}

// Save gives what clients have written, for Load: it outlives who wrote it.
func (s *Simulator) Save() ([]byte, error) {
	w := s.world
	w.written.Lock()
	defer w.written.Unlock()
	var kept written
	for _, a := range w.writes {
		kept.Aliases = append(kept.Aliases, keptAlias{a.at, a.to.version, a.to.weights})
	}
	for _, p := range w.phased {
		kept.Phased = append(kept.Phased, keptPhased{p.at, p.state})
	}
	return json.Marshal(kept)
}

// Load goes on from what Save gave.
func (s *Simulator) Load(saved []byte) error {
	var kept written
	if err := json.Unmarshal(saved, &kept); err != nil {
		return err
	}
	w := s.world
	w.written.Lock()
	defer w.written.Unlock()
	w.writes, w.phased = nil, nil
	for _, a := range kept.Aliases {
		w.writes = append(w.writes, aliasWrite{a.At, alias{a.Version, a.Weights}})
	}
	for _, p := range kept.Phased {
		w.phased = append(w.phased, phasedWrite{p.At, p.State})
	}
	return nil
}
