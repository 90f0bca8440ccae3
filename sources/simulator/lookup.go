package simulator

import "net/http"

// lookupBase is the storefront's figures before the release.
const (
	lookupCount = 12000
	lookupMean  = 4.6
)

// lookup is the public iTunes lookup of one storefront. It has twenty ratings
// without text for each review, and needs no authorization.
func (s *Simulator) lookup(w http.ResponseWriter, r *http.Request) {
	n := s.world.s.Names
	q := r.URL.Query()
	country := map[string]string{"us": "USA", "gb": "GBR", "de": "DEU", "": "USA"}[q.Get("country")]
	known := q.Get("id") == n.App || q.Get("bundleId") == n.Bundle
	if !known || country == "" {
		writeJSON(w, http.StatusOK, map[string]any{"resultCount": 0, "results": []any{}})
		return
	}
	const weight = 20
	count, sum := float64(lookupCount), float64(lookupCount)*lookupMean
	for _, rv := range s.world.reviewsUntil(s.now().Unix()) {
		if rv.territory == country {
			count += weight
			sum += weight * float64(rv.stars)
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"resultCount": 1, "results": []any{map[string]any{
		"wrapperType": "software", "kind": "software", "trackId": jsonNumber(n.App), "trackName": "BioAge", "bundleId": n.Bundle, "version": n.Version,
		"averageUserRating": sum / count, "userRatingCount": count,
		"averageUserRatingForCurrentVersion": sum / count, "userRatingCountForCurrentVersion": count,
		"currentVersionReleaseDate": isoTime(s.world.start.Add(mobileStart).Unix()),
	}}})
}
