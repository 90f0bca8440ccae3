package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

type healthCommand struct {
	URL     string        `help:"Address of the daemon's private port." env:"RELGATE_PRIVATE_URL" default:"http://127.0.0.1:9091"`
	Ready   bool          `help:"Ask whether it is ready, not only alive."`
	Timeout time.Duration `default:"4s" help:"How long to wait for an answer."`
}

func (c healthCommand) Run(ctx context.Context, con console) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	path := "/-/healthy"
	if c.Ready {
		path = "/-/ready"
	}
	a, err := remote{URL: c.URL}.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return exit(exitFail, err)
	}
	if a.status != http.StatusOK {
		return exit(exitFail, fmt.Errorf("%d: %s", a.status, a.said()))
	}
	fmt.Fprintln(con.out, a.said())
	return nil
}
