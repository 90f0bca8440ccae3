// Package server is the HTTP server of relgate's two ports. It adds to net/http what a
// port needs that anybody can reach: every connection has a bounded life without
// progress, there is a limit on connections that leaves room for requests, and a TLS
// certificate may be replaced while it runs.
//
// Time limits of a request:
//
//	5 s    for its headers, from the first byte; also for a new connection to send any, and for a TLS handshake
//	10 s   for its body, whether a handler reads it or not
//	20 s   for the answer to be taken, on top of the longest that a handler may wait
//	2 min  for the next request on a connection
package server
