package amazon

import (
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/relgate/relgate/sources"
)

// Opened is the configuration of a source that is opened. An external id that cannot be
// read is an error.
func Opened(o sources.Opening) (Config, error) {
	cfg := Config{
		Name: o.Name, Region: o.Account.Text("region"), BaseURL: o.BaseURL, CAFile: o.CAFile,
		RoleARN: o.Account.Text("role_arn"), MaxAttempts: o.MaxAttempts, Pause: o.Pause, Log: o.Log,
	}
	if o.Simulated {
		cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIDDEMO", "demo", "")
	}
	read := func() (string, error) { return o.Account.Secret("external_id") }
	external, err := read()
	if err != nil {
		return Config{}, err
	}
	if external != "" {
		cfg.ExternalID, err = sources.NewSecret(o.Name, read, o.Log)
	}
	return cfg, err
}
