package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/relgate/relgate/exporters/webhook/format"
)

// signer signs requests to AWS, with the credentials that the SDK's chain finds, or with
// those of a role that they may assume. They are looked for when they are first needed,
// and again after a request was not taken: keys are rotated.
type signer struct {
	region     string
	role       string // ARN, empty for none
	externalID string
	given      aws.CredentialsProvider // nil: what the chain finds

	mu    sync.Mutex
	found aws.CredentialsProvider // nil: not yet
}

func (s *signer) sign(ctx context.Context, req *http.Request, call *format.Call, now time.Time) error {
	provider, err := s.provider(ctx)
	if err != nil {
		return notFound(err)
	}
	credentials, err := provider.Retrieve(ctx)
	if err != nil {
		s.forget()
		return notFound(err)
	}
	sum := sha256.Sum256(call.Body)
	return v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), call.AWS.Service, call.AWS.Region, now)
}

// notFound says in one line why there are no credentials.
func notFound(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("finding AWS credentials: %s", text[:min(len(text), 300)])
}

func (s *signer) provider(ctx context.Context) (aws.CredentialsProvider, error) {
	if s.given != nil {
		return s.given, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found != nil {
		return s.found, nil
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(s.region))
	if err != nil {
		return nil, err
	}
	s.found = loaded.Credentials
	if s.role != "" {
		s.found = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), s.role, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = "relgate"
			if s.externalID != "" {
				o.ExternalID = &s.externalID
			}
		}))
	}
	return s.found, nil
}

// forget has the credentials looked for again.
func (s *signer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = nil
}
