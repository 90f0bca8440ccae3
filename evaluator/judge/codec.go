package judge

import (
	"reflect"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/evaluator/stored"
)

// WritePooled writes what earlier releases counted of a signal; ReadPooled reads it.
func WritePooled(w *stored.Writer, p *Pooled) {
	w.Bool(p.known)
	w.Int(int64(p.Looked))
	w.Int(int64(p.Had))
	w.Float(p.Sum.Bad)
	w.Float(p.Sum.N)
	w.Float(p.Bound)
	w.Bool(p.Sighted)
}

// WriteWeighed writes a memory. What a later version of the stored form adds to it is
// written last, and read only from that version on: see stored.Reader.Form.
func WriteWeighed(w *stored.Writer, z *Weighed) {
	w.Bool(z != nil)
	if z == nil {
		return
	}
	vs := z.against()
	for _, v := range [...]int64{z.Until, z.Ripe, int64(z.points), z.newest, int64(z.begun), vs.Until, int64(z.looks), z.looked, z.favour.Looks} {
		w.Int(v)
	}
	for _, v := range [...]float64{z.favour.N, z.favour.Bad, z.favour.Square, z.favour.Worst.N, z.favour.Worst.Bad, z.given} {
		w.Float(v)
	}
	for _, v := range z.stars {
		w.Float(v)
	}
	for _, v := range vs.Over {
		w.Float(v.Bad)
		w.Float(v.N)
	}
	w.Fixed(&z.Track)
	w.Fixed(&vs.Pair)
	w.Fixed(&vs.Sway)
	w.Fixed(&z.own)
	w.Fixed(&z.Lasts)
	w.Int(z.inside)
	w.Int(z.lively)
	w.Int(z.pause)
	if w.Bool(z.Ride != (evidence.Ride{})); z.Ride != (evidence.Ride{}) {
		w.Fixed(&z.Ride)
	}
}

// ReadPooled reads what WritePooled wrote.
func ReadPooled(r *stored.Reader, p *Pooled) {
	p.known, p.Looked, p.Had = r.Bool(), r.Int32(), r.Int32()
	p.Sum, p.Bound = Tally{Bad: r.Amount(), N: r.Amount()}, r.Amount()
	p.Sighted = r.Form >= series.FormSeen && r.Bool()
	r.Check(p.Had >= 0 && p.Had <= p.Looked && p.Sum.Bad <= p.Sum.N && p.Bound <= 1 && (p.Had == 0) == (p.Sum.N == 0), "earlier releases are broken")
}

// formRides is the form of the state from which on a memory has what rides out bursts.
const formRides = 3

// ReadWeighed reads what WriteWeighed wrote, and what an older version of it did.
func ReadWeighed(r *stored.Reader) *Weighed {
	if !r.Bool() || !r.Ok() {
		return nil
	}
	z, vs := new(Weighed), evidence.Versus{}
	z.Until, z.Ripe, z.points, z.newest = r.Time(), r.Time(), r.Int32(), r.Time()
	z.begun, vs.Until, z.looks, z.looked = r.Int32(), r.Time(), r.Int32(), r.Time()
	z.favour.Looks = int64(r.Int32())
	z.favour.N, z.favour.Bad, z.favour.Square = r.Amount(), r.Amount(), r.Amount()
	z.favour.Worst.N, z.favour.Worst.Bad = r.Amount(), r.Amount()
	z.given = r.Amount()
	for i := range z.stars {
		z.stars[i] = r.Amount()
	}
	for i := range vs.Over {
		vs.Over[i] = evidence.Minute{Bad: r.Amount(), N: r.Amount()}
	}
	r.Fixed(&z.Track)
	r.Fixed(&vs.Pair)
	if r.Form >= formRides {
		r.Fixed(&vs.Sway)
		r.Fixed(&z.own)
		r.Fixed(&z.Lasts)
		z.inside, z.lively, z.pause = r.Time(), r.Time(), r.Time()
		if r.Bool() {
			r.Fixed(&z.Ride)
		}
	}
	r.Check(z.begun >= 0 && z.points >= 0 && z.looks >= 0 && z.Until >= 0 && z.Ripe >= 0, "a count is negative")
	if vs != (evidence.Versus{}) {
		z.Beside = &vs
	}
	r.Check(sound(reflect.ValueOf(z).Elem()), "evidence is not finite")
	if r.Form < formRides && r.Ok() {
		z.Earlier()
		z.inside, z.lively = z.newest, z.newest
	}
	return z
}

// sound reports whether all numbers of a value are such that they can be counted with.
func sound(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Float64:
		return series.Finite(v.Float())
	case reflect.Int64:
		return v.Int() < stored.Farthest && v.Int() > -stored.Farthest
	case reflect.Pointer:
		return v.IsNil() || sound(v.Elem())
	case reflect.Array:
		for i := range v.Len() {
			if !sound(v.Index(i)) {
				return false
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if !sound(v.Field(i)) {
				return false
			}
		}
	}
	return true
}
