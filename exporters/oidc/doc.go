// Package oidc verifies the tokens that CI systems give to their jobs: OpenID Connect ID
// tokens, signed by the CI system with a key that it publishes.
//
// A token is believed when its issuer is one that is trusted, one of the issuer's keys has
// signed it with an asymmetric algorithm, it is meant for relgate (aud), now is within its
// time, and every claim that was asked for has the value that was asked for. While the keys of
// an issuer cannot be had, none of its tokens is believed. No text of a token reaches an error
// or the log.
package oidc
