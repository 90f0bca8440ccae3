package simulator_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/relgate/relgate/sources/simulator"
)

// appStore serves the App Store with a key, and gives that key's private half.
func appStore(t *testing.T) (*clock, string, *ecdsa.PrivateKey) {
	t.Helper()
	scenario, err := simulator.Parse("app", "[names]\nissuer = \"issuer\"\nkey_id = \"KEY\"\n")
	if err != nil {
		t.Fatal(err)
	}
	p8, public, err := simulator.DemoKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(p8)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, clk, base := serve(t, "appstore", simulator.Config{Scenario: scenario, AppStorePublicKey: public})
	return clk, base, key.(*ecdsa.PrivateKey)
}

// sign makes a token with an independent implementation.
func sign(t *testing.T, key any, alg jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claims(now time.Time, more ...any) map[string]any {
	c := map[string]any{"iss": "issuer", "aud": "appstoreconnect-v1", "iat": now.Unix() - 60, "exp": now.Unix() + 600}
	for i := 0; i < len(more); i += 2 {
		c[more[i].(string)] = more[i+1]
		if more[i+1] == nil {
			delete(c, more[i].(string))
		}
	}
	return c
}

func TestAppStoreChecksTokensAsAppleDoes(t *testing.T) {
	clk, base, key := appStore(t)
	clk.at(time.Hour)
	now := clk.now()
	stranger, _, err := simulator.DemoKey()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(stranger)
	other, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	good := sign(t, key, jose.ES256, "KEY", claims(now))
	parts := strings.Split(good, ".")
	for name, tt := range map[string]struct {
		token  string
		status int
	}{
		"right":                  {good, 200},
		"individual key":         {sign(t, key, jose.ES256, "KEY", claims(now, "iss", nil, "sub", "user")), 200},
		"none":                   {"", 401},
		"another key":            {sign(t, other, jose.ES256, "KEY", claims(now)), 401},
		"another kid":            {sign(t, key, jose.ES256, "OTHER", claims(now)), 401},
		"HS256":                  {sign(t, []byte(strings.Repeat("k", 32)), jose.HS256, "KEY", claims(now)), 401},
		"another audience":       {sign(t, key, jose.ES256, "KEY", claims(now, "aud", "appstoreconnect-v2")), 401},
		"another issuer":         {sign(t, key, jose.ES256, "KEY", claims(now, "iss", "other")), 401},
		"expired":                {sign(t, key, jose.ES256, "KEY", claims(now, "exp", now.Unix())), 401},
		"21 minutes":             {sign(t, key, jose.ES256, "KEY", claims(now, "exp", now.Unix()+21*60)), 401},
		"no iat":                 {sign(t, key, jose.ES256, "KEY", claims(now, "iat", nil)), 401},
		"iat in the future":      {sign(t, key, jose.ES256, "KEY", claims(now, "iat", now.Unix()+30)), 401},
		"signature cut":          {good[:len(good)-4], 401},
		"payload of another one": {parts[0] + "." + strings.Split(sign(t, other, jose.ES256, "KEY", claims(now, "exp", now.Unix()+700)), ".")[1] + "." + parts[2], 401},
		"unsigned":               {parts[0] + "." + parts[1] + ".", 401},
	} {
		resp, body := get(t, base+"/v1/apps?filter[bundleId]=com.bioage.app", tt.token, nil)
		if resp.StatusCode != tt.status || (tt.status == 401 && !strings.Contains(body, `"code":"NOT_AUTHORIZED"`)) {
			t.Errorf("%s: %d %s, want %d", name, resp.StatusCode, body, tt.status)
		}
		if resp.Header.Get("X-Rate-Limit") == "" {
			t.Errorf("%s: no X-Rate-Limit", name)
		}
	}
}

type page struct {
	Data []struct {
		ID         string
		Attributes struct {
			Rating      int
			CreatedDate time.Time
			Territory   string
			Title       string
		}
	}
	Links struct{ Next string }
	Meta  struct{ Paging struct{ Total int } }
}

func TestAppStorePagesThroughReviewsNewestFirst(t *testing.T) {
	clk, base, key := appStore(t)
	clk.at(31 * time.Hour)
	token := sign(t, key, jose.ES256, "KEY", claims(clk.now()))
	var versions page
	get(t, base+"/v1/apps/6470000001/appStoreVersions?filter[versionString]=1.0.0&filter[platform]=IOS", token, &versions)
	if len(versions.Data) != 1 {
		t.Fatalf("%d versions, want 1", len(versions.Data))
	}
	q := url.Values{"sort": {"-createdDate"}, "limit": {"50"}, "fields[customerReviews]": {"rating,createdDate"}}
	next := base + "/v1/appStoreVersions/" + versions.Data[0].ID + "/customerReviews?" + q.Encode()
	seen, sum, last, total := map[string]bool{}, 0, clk.now(), 0
	for next != "" {
		var p page
		get(t, next, token, &p)
		for _, rv := range p.Data {
			if seen[rv.ID] || rv.Attributes.CreatedDate.After(last) || rv.Attributes.Title != "" {
				t.Fatalf("review %+v: seen before, out of order, or with a field not asked for", rv)
			}
			seen[rv.ID], last, sum = true, rv.Attributes.CreatedDate, sum+rv.Attributes.Rating
		}
		next, total = p.Links.Next, p.Meta.Paging.Total
	}
	if mean := float64(sum) / float64(len(seen)); len(seen) < 190 || len(seen) != total || mean < 4.6 || mean > 4.8 {
		t.Errorf("%d reviews of %d with a mean of %.2f; want 200 or so, all, about 4.7", len(seen), total, mean)
	}
}

func TestAppStoreFiltersAndRefuses(t *testing.T) {
	clk, base, key := appStore(t)
	clk.at(20 * time.Hour)
	token := sign(t, key, jose.ES256, "KEY", claims(clk.now()))
	reviews := base + "/v1/apps/6470000001/customerReviews"
	var p page
	get(t, reviews+"?filter[territory]=GBR,DEU&limit=200", token, &p)
	for _, rv := range p.Data {
		if rv.Attributes.Territory == "USA" {
			t.Errorf("review of %s in a list of GBR and DEU", rv.Attributes.Territory)
		}
	}
	if len(p.Data) == 0 {
		t.Error("no reviews of GBR and DEU")
	}
	for _, tt := range []struct {
		path   string
		status int
		code   string
	}{
		{reviews + "?limit=201", 400, "PARAMETER_ERROR.INVALID"},
		{reviews + "?sort=date", 400, "PARAMETER_ERROR.INVALID"},
		{reviews + "?fields[customerReviews]=stars", 400, "PARAMETER_ERROR.INVALID"},
		{reviews + "?cursor=nonsense", 400, "PARAMETER_ERROR.INVALID"},
		{base + "/v1/appStoreVersions/none/customerReviews", 404, "NOT_FOUND"},
	} {
		resp, body := get(t, tt.path, token, nil)
		if resp.StatusCode != tt.status || !strings.Contains(body, tt.code) || !strings.Contains(body, `"status":"`) {
			t.Errorf("%s: %d %s, want %d %s with a status string", tt.path, resp.StatusCode, body, tt.status, tt.code)
		}
	}
}

func TestAppStorePausesThePhasedRelease(t *testing.T) {
	clk, base, key := appStore(t)
	clk.at(26 * time.Hour)
	token := sign(t, key, jose.ES256, "KEY", claims(clk.now()))
	var versions page
	get(t, base+"/v1/apps/6470000001/appStoreVersions", token, &versions)
	type release struct {
		Data struct {
			ID         string
			Attributes struct {
				PhasedReleaseState string
				CurrentDayNumber   int
			}
		}
	}
	var got release
	target := base + "/v1/appStoreVersions/" + versions.Data[0].ID + "/appStoreVersionPhasedRelease"
	get(t, target, token, &got)
	if a := got.Data.Attributes; a.PhasedReleaseState != "ACTIVE" || a.CurrentDayNumber != 2 {
		t.Fatalf("at T+26h: %+v, want ACTIVE on day 2", a)
	}
	body := `{"data":{"type":"appStoreVersionPhasedReleases","id":"` + got.Data.ID + `","attributes":{"phasedReleaseState":"PAUSED"}}}`
	req, err := http.NewRequest(http.MethodPatch, base+"/v1/appStoreVersionPhasedReleases/"+got.Data.ID, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("pausing: %v, %v", resp, err)
	}
	resp.Body.Close()
	get(t, target, token, &got)
	if got.Data.Attributes.PhasedReleaseState != "PAUSED" {
		t.Errorf("after the pause: %+v", got.Data.Attributes)
	}
}

func TestLookupNeedsNoTokenAndKnowsItsCountries(t *testing.T) {
	clk, base, _ := appStore(t)
	clk.at(20 * time.Hour)
	for path, want := range map[string]int{
		"/lookup?id=6470000001&country=us": 1, "/lookup?id=6470000001&country=xx": 0, "/lookup?id=1": 0,
	} {
		var got struct {
			ResultCount int
			Results     []struct {
				AverageUserRating float64
				UserRatingCount   int
				TrackID           int
			}
		}
		get(t, base+path, "", &got)
		if got.ResultCount != want || len(got.Results) != want {
			t.Errorf("%s: %+v, want %d results", path, got, want)
		}
		if want == 1 && (got.Results[0].UserRatingCount <= 12000 || got.Results[0].AverageUserRating < 4.5) {
			t.Errorf("%s: %+v, want more ratings than before the release", path, got)
		}
	}
}

// A pause ends the spreading of the release, in what users do as in what Apple says.
func TestAPausedReleaseReachesNobodyMore(t *testing.T) {
	sessions := func(pauseAt, resumeAt time.Duration) []float64 {
		scenario, err := simulator.Parse("app", "[names]\nissuer = \"*\"\nkey_id = \"*\"\n")
		if err != nil {
			t.Fatal(err)
		}
		sim, clk, base := serve(t, "appstore", simulator.Config{Scenario: scenario})
		set := func(at time.Duration, state string) {
			if at == 0 {
				return
			}
			clk.at(at)
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			token := sign(t, key, jose.ES256, "KEY", claims(clk.now()))
			var versions page
			get(t, base+"/v1/apps/6470000001/appStoreVersions", token, &versions)
			var release struct{ Data struct{ ID string } }
			get(t, base+"/v1/appStoreVersions/"+versions.Data[0].ID+"/appStoreVersionPhasedRelease", token, &release)
			body := `{"data":{"type":"appStoreVersionPhasedReleases","id":"` + release.Data.ID + `","attributes":{"phasedReleaseState":"` + state + `"}}}`
			req := httptest.NewRequest(http.MethodPatch, "/v1/appStoreVersionPhasedReleases/"+release.Data.ID, strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+token)
			rec := httptest.NewRecorder()
			if sim.Handler("appstore").ServeHTTP(rec, req); rec.Code != 200 {
				t.Fatalf("%s: %d %s", state, rec.Code, rec.Body)
			}
		}
		set(pauseAt, "PAUSED")
		set(resumeAt, "ACTIVE")
		var list []float64
		for _, at := range []time.Duration{time.Hour, 3 * time.Hour, 6 * time.Hour, 8 * time.Hour} {
			list = append(list, sim.Released(start.Add(at)))
		}
		return list
	}
	for _, tt := range []struct {
		pause, resume time.Duration
		want          []float64 // share of users 1, 3, 6 and 8 hours after T
	}{
		{0, 0, []float64{0.1, 0.5, 0.5, 1}},
		{time.Hour, 0, []float64{0.1, 0.1, 0.1, 0.1}},
		{time.Hour, 4 * time.Hour, []float64{0.1, 0.1, 0.5, 0.5}},
	} {
		if got := sessions(tt.pause, tt.resume); !slices.Equal(got, tt.want) {
			t.Errorf("paused at %v, resumed at %v: %v, want %v", tt.pause, tt.resume, got, tt.want)
		}
	}
}
