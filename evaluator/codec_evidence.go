package evaluator

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// evidence writes what rules have weighed. Most rules have nothing, so that each
// entry names its place.
func (w *writer) evidence(s *State) {
	var some []int
	for i := range s.rules {
		if s.rules[i].ev != nil || s.rules[i].acked {
			some = append(some, i)
		}
	}
	list(w, some, func(w *writer, i *int) {
		w.uint(uint64(*i))
		w.bool(s.rules[*i].acked)
		w.weighed(s.rules[*i].ev)
	})
	for k := range s.phases {
		for i := range s.phases[k].success {
			w.weighed(s.phases[k].success[i].ev)
		}
	}
	for i := range s.signals {
		list(w, s.signals[i].parts, (*writer).parts)
	}
	list(w, s.past, (*writer).pooled)
}

func (w *writer) pooled(p *pooled) {
	w.bool(p.known)
	w.int(int64(p.looked))
	w.int(int64(p.had))
	w.float(p.sum.bad)
	w.float(p.sum.n)
	w.float(p.bound)
}

func (w *writer) parts(p *rules.Parts) {
	w.int(p.At)
	list(w, p.Groups, func(w *writer, g *rules.Group) {
		w.str(g.Name)
		w.float(g.Value)
		w.float(g.Samples)
	})
}

func (w *writer) weighed(z *weighed) {
	w.bool(z != nil)
	if z == nil {
		return
	}
	vs := z.against()
	for _, v := range [...]int64{z.until, z.ripe, int64(z.points), z.newest, int64(z.begun), vs.compared, int64(z.looks), z.looked, int64(z.favour.Looks)} {
		w.int(v)
	}
	for _, v := range [...]float64{z.favour.N, z.favour.Bad, z.favour.Square, z.worst.N, z.worst.Bad, z.given} {
		w.float(v)
	}
	for _, v := range z.stars {
		w.float(v)
	}
	for _, v := range vs.beside {
		w.float(v.bad)
		w.float(v.n)
	}
	w.fixed(&z.track)
	w.fixed(&vs.pair)
}

// fixed writes a value of a fixed size.
func (w *writer) fixed(v any) {
	b, err := binary.Append(w.b, binary.LittleEndian, v)
	if err != nil {
		w.err = err // unreachable unless a track has a field of no fixed size
		return
	}
	w.b = b
}

func (r *reader) evidence(s *State) {
	for range r.size(r.uint(), len(r.b)/3) {
		i := r.size(r.uint(), math.MaxInt32)
		acked := r.bool()
		ev := r.weighed()
		if !r.check(i < len(s.rules), "evidence of no rule") {
			return
		}
		s.rules[i].acked, s.rules[i].ev = acked, ev
	}
	for k := range s.phases {
		for i := range s.phases[k].success {
			s.phases[k].success[i].ev = r.weighed()
		}
	}
	for i := range s.signals {
		s.signals[i].parts = readList(r, 2, (*reader).parts)
	}
	s.past = readList(r, 6, (*reader).pooled)
	r.check(len(s.past) == 0 || len(s.past) == len(s.signals), "earlier releases are of other signals")
}

func (r *reader) pooled(p *pooled) {
	p.known, p.looked, p.had = r.bool(), r.int32(), r.int32()
	p.sum, p.bound = tally{bad: r.amount(), n: r.amount()}, r.amount()
	r.check(p.had >= 0 && p.had <= p.looked && p.sum.bad <= p.sum.n && p.bound <= 1 && (p.had == 0) == (p.sum.n == 0), "earlier releases are broken")
}

func (r *reader) parts(p *rules.Parts) {
	p.At = r.time()
	p.Groups = readList(r, 3, func(r *reader, g *rules.Group) {
		g.Name, g.Value, g.Samples = r.str(), r.float(), r.float()
	})
	r.check(r.err != nil || saneParts(p, math.MaxInt64), "groups are broken")
}

func (r *reader) weighed() *weighed {
	if !r.bool() || r.err != nil {
		return nil
	}
	z, vs := new(weighed), versus{}
	z.until, z.ripe, z.points, z.newest = r.time(), r.time(), r.int32(), r.time()
	z.begun, vs.compared, z.looks, z.looked = r.int32(), r.time(), r.int32(), r.time()
	z.favour.Looks = int(r.int32())
	z.favour.N, z.favour.Bad, z.favour.Square = r.amount(), r.amount(), r.amount()
	z.worst.N, z.worst.Bad = r.amount(), r.amount()
	z.given = r.amount()
	for i := range z.stars {
		z.stars[i] = r.amount()
	}
	for i := range vs.beside {
		vs.beside[i] = tally{bad: r.amount(), n: r.amount()}
	}
	r.fixed(&z.track)
	r.fixed(&vs.pair)
	r.check(z.begun >= 0 && z.points >= 0 && z.looks >= 0 && z.until >= 0 && z.ripe >= 0, "a count is negative")
	r.check(soundTrack(&z.track) && soundPair(&vs.pair), "evidence is not finite")
	if vs != (versus{}) {
		z.vs = &vs
	}
	return z
}

// amount reads a finite number that is not negative.
func (r *reader) amount() float64 {
	v := r.float()
	r.check(finite(v) && v >= 0, "an amount is broken")
	return v
}

func (r *reader) fixed(v any) {
	n, err := binary.Decode(r.b, binary.LittleEndian, v)
	if r.check(err == nil, "it ends too early") {
		r.b = r.b[n:]
	}
}

func soundTrack(t *evidence.Track) bool {
	ok := finite(t.N) && finite(t.Bad) && finite(t.Square) && finite(t.Most)
	for j := range len(t.Segments) + 1 {
		s := segmentOf(t, j)
		ok = ok && finite(s.LLR) && finite(s.N) && finite(s.Bad) && finite(s.Most) && s.Start < farthest && s.Start > -farthest
	}
	for j := range t.LR {
		ok = ok && finite(t.LR[j]) && finite(t.Mid[j])
	}
	for _, v := range t.MB {
		ok = ok && finite(v)
	}
	return ok
}

func soundPair(t *evidence.PairTrack) bool {
	ok := finite(t.CanaryN) && finite(t.CanaryX) && finite(t.BaselineN) && finite(t.BaseX) &&
		finite(t.BaseN) && finite(t.BaseBad)
	for _, v := range slices.Concat(t.LR[:], t.MB[:]) {
		ok = ok && finite(v)
	}
	return ok
}
