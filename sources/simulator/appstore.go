package simulator

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mobileStart is when the phased release begins, as in the plan.
const mobileStart = 30 * time.Minute

func (s *Simulator) serveAppStore(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/lookup") && !strings.HasPrefix(r.URL.Path, "/v1/") {
		s.serve(w, r, "lookup", "lookup", s.lookup)
		return
	}
	op, answer := s.appStoreRoute(r)
	s.serve(w, r, "appstore", op, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Rate-Limit", fmt.Sprintf("user-hour-lim:3600;user-hour-rem:%d;", 3500-s.now().Unix()%100))
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if err := verifyToken(token, s.world.s.Names, s.cfg.AppStorePublicKey, s.cfg.TokenClock()); err != nil {
			s.cfg.Log.Debug("token refused", "upstream", "appstore", "err", err)
			writeNotAuthorized(w)
			return
		}
		answer(w, r)
	})
}

// appStoreRoute finds the operation of a path.
func (s *Simulator) appStoreRoute(r *http.Request) (string, http.HandlerFunc) {
	n := s.world.s.Names
	app, version := "/v1/apps/"+n.App, "/v1/appStoreVersions/"+s.versionID()
	switch r.Method + " " + strings.TrimSuffix(r.URL.Path, "/") {
	case "GET /v1/apps":
		return "apps", s.apps
	case "GET " + app:
		return "apps", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, map[string]any{"data": s.app()}) }
	case "GET " + app + "/appStoreVersions":
		return "appStoreVersions", s.versions
	case "GET " + app + "/customerReviews", "GET " + version + "/customerReviews":
		return "customerReviews", s.customerReviews
	case "GET " + version:
		return "appStoreVersions", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, map[string]any{"data": s.version()})
		}
	case "GET " + version + "/appStoreVersionPhasedRelease":
		return "phasedRelease", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, map[string]any{"data": s.phasedRelease()})
		}
	case "PATCH /v1/appStoreVersionPhasedReleases/" + s.phasedID():
		return "updatePhasedRelease", s.updatePhased
	}
	return "unknown", func(w http.ResponseWriter, r *http.Request) {
		writeAppStoreError(w, http.StatusNotFound, "NOT_FOUND", "The specified resource does not exist",
			fmt.Sprintf("There is no resource of the path %q", r.URL.Path), nil)
	}
}

func writeAppStoreError(w http.ResponseWriter, status int, code, title, detail string, source any) {
	e := map[string]any{"id": uuid(code + detail), "status": strconv.Itoa(status), "code": code, "title": title, "detail": detail}
	if source != nil {
		e["source"] = source
	}
	writeJSON(w, status, map[string]any{"errors": []any{e}})
}

func writeNotAuthorized(w http.ResponseWriter) {
	writeAppStoreError(w, http.StatusUnauthorized, "NOT_AUTHORIZED", "Authentication credentials are missing or invalid.",
		"Provide a properly configured and signed bearer token, and make sure that it has not expired. Learn more about Generating Tokens for API Requests https://developer.apple.com/go/?id=api-generating-tokens", nil)
}

func writeParameterError(w http.ResponseWriter, parameter, detail string) {
	writeAppStoreError(w, http.StatusBadRequest, "PARAMETER_ERROR.INVALID", "A parameter has an invalid value", detail, map[string]any{"parameter": parameter})
}

func (s *Simulator) versionID() string {
	return uuid("version " + s.world.s.Names.App + " " + s.world.s.Names.Version)
}

func (s *Simulator) phasedID() string { return uuid("phased " + s.versionID()) }

func (s *Simulator) app() map[string]any {
	n := s.world.s.Names
	return map[string]any{"type": "apps", "id": n.App, "attributes": map[string]any{
		"name": "BioAge", "bundleId": n.Bundle, "sku": n.Bundle, "primaryLocale": "en-US"}}
}

func (s *Simulator) apps(w http.ResponseWriter, r *http.Request) {
	list := []any{}
	if f := r.URL.Query().Get("filter[bundleId]"); f == "" || slices.Contains(strings.Split(f, ","), s.world.s.Names.Bundle) {
		list = append(list, s.app())
	}
	writePage(w, r, list, "", len(list), 50)
}

func (s *Simulator) versions(w http.ResponseWriter, r *http.Request) {
	q, n := r.URL.Query(), s.world.s.Names
	state := s.versionState()
	wants := func(filter, value string) bool {
		f := q.Get("filter[" + filter + "]")
		return f == "" || slices.Contains(strings.Split(f, ","), value)
	}
	list := []any{}
	if wants("platform", "IOS") && wants("versionString", n.Version) && wants("appVersionState", state) {
		list = append(list, s.version())
	}
	writePage(w, r, list, "", len(list), 50)
}

// versionState is Apple's state of the version: it is released when the phased release begins.
func (s *Simulator) versionState() string {
	if s.world.offset(s.now().Unix()) >= mobileStart {
		return "READY_FOR_DISTRIBUTION"
	}
	return "PENDING_DEVELOPER_RELEASE"
}

func (s *Simulator) version() map[string]any {
	return map[string]any{"type": "appStoreVersions", "id": s.versionID(), "attributes": map[string]any{
		"platform": "IOS", "versionString": s.world.s.Names.Version, "appVersionState": s.versionState(), "appStoreState": "READY_FOR_SALE",
		"releaseType": "MANUAL", "createdDate": appleTime(s.world.start.Unix() - 7*86400)}}
}

// appleTime writes a time as Apple does: at the offset of Cupertino in summer.
func appleTime(unix int64) string {
	return time.Unix(unix, 0).In(time.FixedZone("", -7*3600)).Format(time.RFC3339)
}

// writePage sends one page of a list. cursor names the next page, empty when
// this is the last.
func writePage(w http.ResponseWriter, r *http.Request, list []any, cursor string, total, limit int) {
	links := map[string]any{"self": selfURL(r, r.URL.Query())}
	paging := map[string]any{"total": total, "limit": limit}
	if cursor != "" {
		q := r.URL.Query()
		q.Set("cursor", cursor)
		links["next"], paging["nextCursor"] = selfURL(r, q), cursor
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": list, "links": links, "meta": map[string]any{"paging": paging}})
}

// selfURL is the absolute URL of a request with other parameters.
func selfURL(r *http.Request, q url.Values) string {
	u := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: q.Encode()}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u.String()
}

// phasedRelease is Apple's view of the phased release: by the days since its
// start, or as a client wrote it.
func (s *Simulator) phasedRelease() map[string]any {
	now := s.now().Unix()
	wrote, paused := s.world.phasedAt(now)
	since := s.world.offset(now-paused) - mobileStart
	state, day := "INACTIVE", 0
	var start any
	if since >= 0 {
		start, day, state = appleTime(s.world.start.Add(mobileStart).Unix()), int(since.Hours()/24)+1, "ACTIVE"
		if day > 7 {
			day, state = 7, "COMPLETE"
		}
	}
	if wrote != "" && state != "COMPLETE" {
		state = wrote
	}
	return map[string]any{"type": "appStoreVersionPhasedReleases", "id": s.phasedID(), "attributes": map[string]any{
		"phasedReleaseState": state, "startDate": start, "totalPauseDuration": paused / 86400, "currentDayNumber": day}}
}

func (s *Simulator) updatePhased(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Data struct {
			ID         string `json:"id"`
			Attributes struct {
				PhasedReleaseState string `json:"phasedReleaseState"`
			} `json:"attributes"`
		} `json:"data"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil || json.Unmarshal(body, &in) != nil || in.Data.ID != s.phasedID() {
		writeAppStoreError(w, http.StatusUnprocessableEntity, "ENTITY_ERROR.INVALID", "The provided entity is invalid", "The request entity is not a valid request document object", nil)
		return
	}
	state := in.Data.Attributes.PhasedReleaseState
	now := s.phasedRelease()["attributes"].(map[string]any)["phasedReleaseState"]
	if !slices.Contains([]string{"ACTIVE", "PAUSED", "COMPLETE"}, state) || now == "INACTIVE" || now == "COMPLETE" {
		writeAppStoreError(w, http.StatusConflict, "STATE_ERROR", "The request cannot be fulfilled because of the state of another resource.",
			fmt.Sprintf("A phased release cannot go from %v to %s.", now, state), nil)
		return
	}
	s.world.writePhased(s.now(), state)
	s.cfg.OnWrite()
	writeJSON(w, http.StatusOK, map[string]any{"data": s.phasedRelease()})
}
