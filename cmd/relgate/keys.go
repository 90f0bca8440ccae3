package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/relgate/relgate/exporters/signing"
)

type keysCommand struct {
	List   keysListCommand   `cmd:"" help:"Print the public keys, as GET /v1/keys does."`
	Rotate keysRotateCommand `cmd:"" help:"Make a new key that signs from now on; the public part of the old one stays."`
}

// keyFile says which file the signing keys are in.
type keyFile struct {
	Journal string `default:"relgate.db" type:"path" help:"Journal file that the keys lie beside."`
	Keys    string `type:"path" help:"File of the keys, where daemon.signing_keys names one; JOURNAL.keys when left out."`
}

func (f keyFile) path() string { return cmp.Or(f.Keys, f.Journal+".keys") }

// open reads the keys. Only a daemon makes some, and who asks for new ones.
func (f keyFile) open() (*signing.Keys, error) {
	k, err := signing.Open(f.path())
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w; a daemon makes them at its first start, and `relgate keys rotate` does", err)
	}
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	return k, nil
}

type keysListCommand struct{ keyFile }

// Run prints no private part.
func (c keysListCommand) Run(con console) error {
	k, err := c.open()
	if err != nil {
		return err
	}
	_, err = con.out.Write(k.Public())
	return err
}

type keysRotateCommand struct{ keyFile }

// Help is printed by --help.
func (keysRotateCommand) Help() string {
	return `What was signed before stays valid: whoever checks it finds the old key among the public
ones. A daemon need not be restarted. Where someone may have read the file, tell those who
check proofs from when on the old key proves nothing.

  relgate keys rotate --journal /var/lib/relgate/relgate.db`
}

// Run rotates the keys.
func (c keysRotateCommand) Run(con console) error {
	k, err := signing.Rotate(c.path())
	if err != nil {
		return exit(exitUsage, err)
	}
	_, err = fmt.Fprintf(con.out, "signed from now on with key %s\n", k.ID())
	return err
}

// serveKeys answers with the public keys of the file as it is now: they may have been
// rotated since the start.
func (d *daemon) serveKeys(w http.ResponseWriter, r *http.Request) {
	k, err := signing.Open(d.config.Daemon.SigningKeys)
	if err != nil {
		d.log.Error("the signing keys cannot be read", "err", err)
		http.Error(w, "the signing keys cannot be read: see the daemon's log", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(k.Public()) // who is gone misses nothing
}
