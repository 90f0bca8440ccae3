package email

import (
	"bytes"
	"context"
	"net"

	"github.com/relgate/relgate/exporters/outbox"
)

// SetDial has a sink reach its server in another way.
func (s *Sink) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	s.dial = dial
}

// Written is the message as it goes to the first recipient.
func (s *Sink) Written(ctx context.Context, m outbox.Message) ([]byte, error) {
	l, err := write(m, s.config.External)
	if err != nil {
		return nil, err
	}
	all, err := s.recipients(ctx, l)
	if err != nil || len(all.list) == 0 {
		return nil, err
	}
	msg, err := s.compose(l, all.list[0], m.Repeated)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = msg.WriteTo(&b)
	return b.Bytes(), err
}
