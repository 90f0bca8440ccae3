package webhook

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const handshakeTimeout = 10 * time.Second

// errRefused is an address that may not be called.
var errRefused = errors.New("address is not allowed")

// allowed is what may be called besides public addresses.
type allowed struct {
	nets  []netip.Prefix
	names []string // lower case host names
}

// parseAllow reads CIDRs, IPs and host names.
func parseAllow(entries []string) (allowed, error) {
	var a allowed
	for _, entry := range entries {
		text := strings.ToLower(strings.TrimSpace(entry))
		if p, err := netip.ParsePrefix(text); err == nil {
			a.nets = append(a.nets, p.Masked())
			continue
		}
		if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
			a.nets = append(a.nets, netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()))
			continue
		}
		if text == "" || strings.ContainsAny(text, "/: *@") {
			return a, fmt.Errorf("allow %q: want a CIDR, an IP address or a host name", entry)
		}
		a.names = append(a.names, strings.TrimSuffix(text, "."))
	}
	return a, nil
}

func (a allowed) hasName(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, n := range a.names {
		if n == host {
			return true
		}
	}
	return false
}

// admits says whether an address may be called for a host that is, or is not,
// on the list by name. It judges the address itself, never the name it came from.
func (a allowed) admits(ip netip.Addr, named bool) bool {
	ip = ip.WithZone("").Unmap()
	for _, p := range a.nets {
		if p.Contains(ip) {
			return true
		}
	}
	if public(ip) {
		return true
	}
	return named && (ip.IsLoopback() || ip.IsPrivate() && ip != awsMetadata6 || sharedSpace.Contains(ip))
}

var (
	awsMetadata6 = netip.MustParseAddr("fd00:ec2::254")
	sharedSpace  = netip.MustParsePrefix("100.64.0.0/10") // carrier-grade NAT, and VPNs that borrow it
	global6      = netip.MustParsePrefix("2000::/3")      // the only IPv6 space handed out for the public
	// special are ranges inside the public ones that lead elsewhere: to this
	// network, to documentation, or through a translator to any IPv4 address.
	special = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
		netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
	}
)

func public(ip netip.Addr) bool {
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || sharedSpace.Contains(ip) || ip.Is6() && !global6.Contains(ip) {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

// Dialer gives what dials a host of the config for another protocol than HTTP, under the
// same check: public addresses, and private and loopback ones, since a mail relay is often
// there, but none of link-local, metadata and multicast networks unless allow has it as a
// CIDR or IP.
func Dialer(allow []string) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	admitted, err := parseAllow(allow)
	if err != nil {
		return nil, err
	}
	return admitted.dialer(nil, true).DialContext, nil
}

// dialer dials what may be called. named says that the host's name is on the list.
func (a allowed) dialer(resolver *net.Resolver, named bool) *net.Dialer {
	return &net.Dialer{
		Timeout: 10 * time.Second, Resolver: resolver,
		// Control sees the address that is really dialled, for every address that a
		// name resolved to: a name that changes between check and use gains nothing.
		Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("reading address %q: %w", address, err) // unreachable unless net changes
			}
			if !a.admits(at.Addr(), named) {
				return fmt.Errorf("%v: %w", at.Addr(), errRefused)
			}
			return nil
		},
	}
}

// transport is the network for one endpoint. Through a proxy, the address that is
// dialled and checked is the proxy's: the target's is found by the proxy.
func (c Config) transport(admitted allowed, e Endpoint) (*http.Transport, error) {
	peer, err := parseURL(e.URL)
	if err != nil {
		return nil, err // unreachable: check has parsed it
	}
	var proxy func(*http.Request) (*url.URL, error) // nil also ignores the environment's
	if e.Proxy != "" {
		if peer, err = parseURL(e.Proxy); err != nil {
			return nil, err // unreachable: check has parsed it
		}
		proxy = http.ProxyURL(peer)
	}
	dialer := admitted.dialer(c.Resolver, admitted.hasName(peer.Hostname()))
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, address)
		},
		Proxy: proxy,
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
			if resp.StatusCode != http.StatusOK {
				return proxyError(resp.StatusCode)
			}
			return nil
		},
		TLSClientConfig:       e.TLS,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   1, // what is no order is sent one message at a time
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   handshakeTimeout,
		DisableCompression:    true,
		WriteBufferSize:       32 << 10, // a request is one packet to the kernel
		ResponseHeaderTimeout: 0,        // the attempt's own deadline covers it

		MaxResponseHeaderBytes: maxHeader,
	}, nil
}

// proxyError is the status with which a proxy refuses to connect.
type proxyError int

func (e proxyError) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", int(e), http.StatusText(int(e)))
}
