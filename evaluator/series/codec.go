package series

import (
	"math"

	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// WriteSeries writes what is known of a signal, without its groups: see WriteParts.
func WriteSeries(w *stored.Writer, v *Series) {
	w.Int(v.Settled)
	w.Int(v.From)
	w.Int(v.Asked)
	w.Int(v.Next)
	w.Int(int64(v.Width))
	w.Int(v.partial)
	w.Int(int64(v.Gone))
	w.Uint(uint64(v.Fails))
	w.Byte(byte(v.Fault))
	w.Bool(v.Words != nil)
	if v.Words != nil {
		w.String(v.Words.Detail)
		w.String(v.Words.Note)
		w.String(v.Words.ref)
	}
	w.Byte(flags(v.Seen, v.Looked, v.Filled, v.Belated > 0))
	if v.Belated > 0 {
		w.Int(int64(v.Belated))
		w.Int(int64(v.Late))
	}
	w.Uint(uint64(len(v.Points)))
	last := int64(0)
	for i := range v.Points {
		p := &v.Points[i]
		w.Uint(uint64(p.At - last))
		w.Float(p.Value)
		w.Float(p.Samples)
		last = p.At
	}
}

// FormSeen is the version of the stored form from which on it says what zeros stand for.
const FormSeen = 3

// flags puts truths into a byte.
func flags(truths ...bool) (b byte) {
	for i, v := range truths {
		if v {
			b |= 1 << i
		}
	}
	return b
}

// ReadSeries reads what WriteSeries wrote.
func ReadSeries(r *stored.Reader, v *Series) {
	v.Settled, v.From, v.Asked, v.Next = r.Time(), r.Time(), r.Time(), r.Time()
	v.Width, v.partial = r.Int32(), r.Time()
	r.Check(v.Width >= 0, "a width is out of range")
	v.Gone = r.Int32()
	v.Fails = int16(min(r.Size(r.Uint(), 1<<20), maxFails))
	v.Fault = rules.Fault(r.Enum(len(rules.Faults())))
	if r.Bool() {
		v.Words = &words{Detail: r.String(), Note: r.String(), ref: r.String()}
	}
	var has byte
	if r.Form >= FormSeen {
		has = r.Enum(1 << 4)
	}
	v.Seen, v.Looked, v.Filled = has&1 != 0, has&2 != 0, has&4 != 0
	if has&8 != 0 {
		v.Belated, v.Late = r.Int32(), r.Int32()
		r.Check(v.Belated > 0, "late periods are out of range")
	}
	n := r.Size(r.Uint(), r.Left()/3)
	if n == 0 {
		return
	}
	v.Points = make([]rules.Point, n)
	last := int64(0)
	for i := range v.Points {
		p := rules.Point{At: last + int64(r.Size(r.Uint(), stored.Farthest)), Value: r.Float(), Samples: r.Float()}
		if !r.Check(p.At > last && p.At < stored.Farthest && Finite(p.Value) && Finite(p.Samples) && p.Samples >= 0, "a point is broken") {
			return
		}
		v.Points[i], last = p, p.At
	}
}

// WriteParts writes the groups of one period; ReadParts reads them.
func WriteParts(w *stored.Writer, p *rules.Parts) {
	w.Int(p.At)
	stored.List(w, p.Groups, func(w *stored.Writer, g *rules.Group) {
		w.String(g.Name)
		w.Float(g.Value)
		w.Float(g.Samples)
	})
}

// ReadParts reads what WriteParts wrote.
func ReadParts(r *stored.Reader, p *rules.Parts) {
	p.At = r.Time()
	p.Groups = stored.ReadList(r, 3, func(r *stored.Reader, g *rules.Group) {
		g.Name, g.Value, g.Samples = r.String(), r.Float(), r.Float()
	})
	r.Check(!r.Ok() || saneParts(p, math.MaxInt64), "groups are broken")
}
