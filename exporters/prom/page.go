package prom

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/relgate/relgate/exporters/wire"
)

// page is what the snapshots say, rendered when it is first asked for. It is
// true until a time: then a verdict on it is too old.
type page struct {
	catalog *catalog
	site    wire.Site
	views   Views
	made    time.Time
	until   time.Time // zero: until the next Update

	mu    sync.Mutex
	forms map[expfmt.Format]*form // :: negotiated format → its bytes; a handful, the formats are listed
}

// form is a page in one format.
type form struct {
	plain []byte
	once  sync.Once
	// packed is plain as deflate blocks that end at a byte, so that the part of
	// each scrape can follow them in the same gzip member.
	packed []byte
	crc    uint32
}

func (e *Exporter) newPage(views Views, now time.Time) *page {
	p := &page{catalog: e.catalog, site: wire.Site{Base: strings.TrimRight(e.config.BaseURL, "/")}, views: views, made: now, forms: map[expfmt.Format]*form{}}
	for _, v := range views.Plans {
		if v.Run == nil {
			continue
		}
		s := &v.Run.Snapshot
		var end time.Time // when its age is another
		switch wire.AgeOf(s, now) {
		case wire.Fresh:
			end = wire.Expires(s)
		case wire.Ahead:
			end = s.At.Add(s.At.Sub(wire.Expires(s)))
		}
		if !s.Over && !end.IsZero() && (p.until.IsZero() || end.Before(p.until)) {
			p.until = end
		}
	}
	return p
}

// form is the page in a format, rendered by the first who wants it.
func (p *page) form(format expfmt.Format) (*form, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.forms[format]; f != nil {
		return f, nil
	}
	var b bytes.Buffer
	if err := encode(&b, format, p.families(), false); err != nil {
		return nil, err
	}
	f := &form{plain: b.Bytes()}
	p.forms[format] = f
	return f, nil
}

// encode writes families; the last part of a page is told so, since a format may
// have an end mark.
func encode(w io.Writer, format expfmt.Format, families []*dto.MetricFamily, last bool) error {
	enc := expfmt.NewEncoder(w, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("encoding %s: %w", f.GetName(), err)
		}
	}
	if c, ok := enc.(expfmt.Closer); ok && last {
		return c.Close()
	}
	return nil
}

// scrape is the memory that one scrape needs, used again by the next.
type scrape struct {
	plain  bytes.Buffer
	packed bytes.Buffer
	flate  *flate.Writer
}

// Handler serves /metrics to GET and HEAD, in the formats that Prometheus asks
// for and with gzip if it may. A page that cannot be gathered is answered with
// 500: half a page would look like a whole one.
func (e *Exporter) Handler() http.Handler {
	pool := &sync.Pool{New: func() any { return new(scrape) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		s := pool.Get().(*scrape)
		defer pool.Put(s)
		if err := e.serve(w, r, s); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// serve answers, or returns an error with nothing written.
func (e *Exporter) serve(w http.ResponseWriter, r *http.Request, s *scrape) error {
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	p := e.current()
	f, err := p.form(format)
	if err != nil {
		return err
	}
	self, err := e.self(p)
	if err != nil {
		return err
	}
	s.plain.Reset()
	if err := encode(&s.plain, format, self, true); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", string(format))
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("Cache-Control", "no-store")
	parts := [][]byte{f.plain, s.plain.Bytes()}
	if takesGzip(r.Header["Accept-Encoding"]) {
		h.Set("Content-Encoding", "gzip")
		parts = s.gzip(f)
	}
	total := 0
	for _, p := range parts {
		total += len(p)
	}
	h.Set("Content-Length", strconv.Itoa(total))
	if r.Method == http.MethodHead {
		return nil
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return nil // the scraper is gone and sees that the page is not whole
		}
	}
	return nil
}

// gzip is the page and the scrape's own part as one gzip member: the page's
// blocks were packed before; only those of the scrape itself follow.
func (s *scrape) gzip(f *form) [][]byte {
	f.once.Do(func() {
		var b bytes.Buffer
		z := newFlate(&b)
		_, _ = z.Write(f.plain) // a Buffer takes everything
		_ = z.Flush()
		f.packed, f.crc = b.Bytes(), crc32.ChecksumIEEE(f.plain)
	})
	s.packed.Reset()
	if s.flate == nil {
		s.flate = newFlate(&s.packed)
	}
	s.flate.Reset(&s.packed)
	_, _ = s.flate.Write(s.plain.Bytes())
	_ = s.flate.Close()
	end := binary.LittleEndian.AppendUint32(nil, crc32.Update(f.crc, crc32.IEEETable, s.plain.Bytes()))
	end = binary.LittleEndian.AppendUint32(end, uint32(len(f.plain)+s.plain.Len()))
	return [][]byte{{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255}, f.packed, s.packed.Bytes(), end}
}

func newFlate(w io.Writer) *flate.Writer {
	z, err := flate.NewWriter(w, flate.BestSpeed)
	if err != nil {
		panic(err) // unreachable: the level is one of the package's
	}
	return z
}

// takesGzip reports whether an Accept-Encoding header allows gzip.
func takesGzip(headers []string) bool {
	for _, h := range headers {
		for part := range strings.SplitSeq(h, ",") {
			name, params, _ := strings.Cut(part, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
				continue
			}
			q, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
			if v, err := strconv.ParseFloat(q, 64); !ok || err == nil && v > 0 {
				return true
			}
		}
	}
	return false
}
