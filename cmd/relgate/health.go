package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/relgate/relgate/config"
)

type healthCommand struct {
	File    string        `arg:"" optional:"" help:"Config file of the daemon, which says where its private port is. Default: config.toml, if there is one."`
	URL     string        `help:"Address of the daemon's private port, whatever a config says." env:"RELGATE_PRIVATE_URL"`
	Ready   bool          `help:"Ask whether it is ready, not only alive."`
	Timeout time.Duration `default:"4s" help:"How long to wait for an answer."`
}

// Help is printed by --help.
func (healthCommand) Help() string {
	return `Exit 0 when it is healthy, else 1. A config that cannot be read is said, and the
default address asked: the daemon may still run by the one before.

  relgate health /etc/relgate/config.toml`
}

func (c healthCommand) Run(ctx context.Context, con console) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	address, err := c.address(con)
	if err != nil {
		return exit(exitUsage, err)
	}
	path := "/-/healthy"
	if c.Ready {
		path = "/-/ready"
	}
	a, err := remote{URL: address}.call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return exit(exitFail, err)
	}
	if a.status != http.StatusOK {
		return exit(exitFail, fmt.Errorf("%d: %s", a.status, a.said()))
	}
	fmt.Fprintln(con.out, a.said())
	return nil
}

// address is the URL of the private port: the one that is given, or what the
// config says.
func (c healthCommand) address(con console) (string, error) {
	if c.URL != "" {
		return c.URL, nil
	}
	file := c.File
	if file == "" {
		file = "config.toml"
		if _, err := os.Stat(file); err != nil {
			return "http://" + config.DefaultPrivate, nil
		}
	}
	private, err := config.Private(file)
	if err != nil {
		fmt.Fprintf(con.err, "relgate: %v; asking %s\n", err, config.DefaultPrivate)
		private = config.DefaultPrivate
	}
	host, port, err := net.SplitHostPort(private)
	if err != nil || port == "0" {
		return "", fmt.Errorf("%s: daemon.private %q does not say the port: give --url", file, private)
	}
	return "http://" + net.JoinHostPort(reachable(host), port), nil
}

// reachable is a host that a listener on host answers at: one that listens on all
// addresses does so on this machine's own.
func reachable(host string) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip == netip.IPv4Unspecified():
		return "127.0.0.1"
	case err == nil && ip == netip.IPv6Unspecified():
		return "::1"
	}
	return host
}
