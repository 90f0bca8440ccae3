package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/sources/inbox/kind"
	"github.com/relgate/relgate/sources/simulator"
)

// demoPusher brings what the simulated Sentry and Grafana push to the demo's own inboxes.
type demoPusher struct {
	from    *simulator.Pusher
	path    string              // of what was pushed last
	inboxes map[string][]string // :: format → names of the sources
	base    string              // URL of the daemon
	client  http.Client
}

// newDemoPusher goes on from what an earlier demo in the same folder has pushed.
func newDemoPusher(w *world, sources []config.SourceSpec, dir, base string) (*demoPusher, error) {
	p := &demoPusher{
		from: simulator.NewPusher(w.simulator, w.pushSecret), path: filepath.Join(dir, "senders.json"),
		inboxes: map[string][]string{}, base: base,
	}
	for i := range sources {
		if s := &sources[i]; s.Type == kind.Name {
			p.inboxes[s.Text(kind.Format)] = append(p.inboxes[s.Text(kind.Format)], s.Name)
		}
	}
	return p, loadFile(p.path, p.from)
}

// push posts what is due at the instant that has come. What could not be posted is due
// again.
func (p *demoPusher) push(ctx context.Context) error {
	if len(p.inboxes) == 0 {
		return nil
	}
	for _, due := range p.from.Due() {
		for _, name := range p.inboxes[due.Format] {
			if err := p.post(ctx, name, &due); err != nil {
				return fmt.Errorf("pushing to inbox %q: %w", name, err)
			}
		}
		due.Sent()
		if err := saveFile(p.path, p.from); err != nil {
			return err
		}
	}
	return nil
}

func (p *demoPusher) post(ctx context.Context, name string, due *simulator.Push) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/v1/inbox/"+name, bytes.NewReader(due.Body))
	if err != nil {
		return err
	}
	req.Header = due.Header.Clone()
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}
