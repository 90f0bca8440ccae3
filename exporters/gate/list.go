package gate

import "net/http"

// servePlans lists the plans that the token is good for.
func (g *Gate) servePlans(w http.ResponseWriter, r *http.Request) {
	who, ok := g.identify(w, r, Read)
	if !ok {
		return
	}
	b, now := g.board.Load(), g.now()
	list := PlanList{APIVersion: APIVersion, Plans: []PlanSummary{}}
	for _, name := range b.names {
		if p := b.plans[name]; who.sees(name) {
			list.Plans = append(list.Plans, p.maker(g.base, p.started() && p.isStale(now)).summary())
		}
	}
	p := jsonPayload(list)
	writePage(w, r, &p)
}

// servePlan answers a whole run.
func (g *Gate) servePlan(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("plan")
	if _, ok := g.admit(w, r, Read, name); !ok {
		return
	}
	p := g.board.Load().plans[name]
	if p == nil || !p.started() {
		g.missing(w, where{plan: name})
		return
	}
	writePage(w, r, p.page(g.base, g.now()))
}

func writePage(w http.ResponseWriter, r *http.Request, p *payload) {
	h := w.Header()
	h["Cache-Control"] = headerRevalidate
	h["Etag"] = p.entity
	if matches(r.Header["If-None-Match"], p.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	p.set(h)
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(p.body) // a client that is gone misses nothing
	}
}
