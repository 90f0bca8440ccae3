package amazon

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	smithy "github.com/aws/smithy-go"
)

// renewable are credentials that are found again when they may have changed. The
// SDK reads the shared credentials file once, when it is loaded, and keeps what a
// web identity or a role gave until it expires: a key that was rotated would be
// refused until a restart.
type renewable struct {
	find  func(context.Context) (aws.CredentialsProvider, error) // the whole chain anew
	files func() []string                                        // what the chain may read

	mu    sync.Mutex
	inner aws.CredentialsProvider
	mark  [sha256.Size]byte // of the files when inner was found
	ends  bool              // the credentials that were given last expire
}

// Retrieve gives the credentials as the files have them now. While the files hold
// none, because they are just being replaced, the former ones stay. For a context that
// is over nothing is begun: the SDK's cache would go on asking without it, and without a
// deadline.
func (r *renewable) Retrieve(ctx context.Context) (aws.Credentials, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return aws.Credentials{}, &aws.RequestCanceledError{Err: err}
	}
	if mark := marked(r.files()); mark != r.mark {
		if found, err := r.find(ctx); err == nil {
			if c, err := found.Retrieve(ctx); err == nil {
				r.inner, r.mark, r.ends = found, mark, c.CanExpire
				return c, nil
			}
		}
	}
	c, err := r.inner.Retrieve(ctx)
	if err == nil {
		r.ends = c.CanExpire
	}
	return c, err
}

// refused is asked about the error of a call, and reports whether another attempt
// would have other credentials.
func (r *renewable) refused(err error) bool {
	if r == nil {
		return false
	}
	status, _ := response(err)
	outdated := outdated(err)
	if !outdated && status != 401 && status != 403 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if marked(r.files()) != r.mark {
		return true
	}
	cache, ok := r.inner.(*aws.CredentialsCache)
	if !outdated || !ok || !r.ends {
		return false // the same would be sent again
	}
	cache.Invalidate()
	return true
}

// outdated reports whether an error says that the credentials have ended or are
// not known, which others may cure. A missing permission is something else.
func outdated(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	code := strings.ToLower(api.ErrorCode())
	for _, word := range []string{"expiredtoken", "invalidclienttokenid", "unrecognizedclient", "invalidaccesskeyid", "requestexpired", "tokenrefreshrequired"} {
		if strings.Contains(code, word) {
			return true
		}
	}
	return false
}

// credentialFiles are the files that the SDK's chain reads.
func credentialFiles() []string {
	files := []string{os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), os.Getenv("AWS_CONFIG_FILE"), os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE")}
	if files[0] == "" {
		files[0] = config.DefaultSharedCredentialsFilename()
	}
	if files[1] == "" {
		files[1] = config.DefaultSharedConfigFilename()
	}
	return files
}

// marked sums up the files' content. Times of change would not do: a file may be
// replaced by one that is older.
func marked(files []string) [sha256.Size]byte {
	h := sha256.New()
	for _, name := range files {
		_, _ = io.WriteString(h, name+"\x00")
		if name == "" {
			continue
		}
		if f, err := os.Open(name); err == nil {
			_, _ = io.Copy(h, io.LimitReader(f, 1<<20))
			_ = f.Close() // it was only read
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
