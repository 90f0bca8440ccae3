package stored

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
)

// NewWriter begins a stored form: form names it and its version, and size is how long
// it may become.
func NewWriter(form string, size int) *Writer {
	return &Writer{b: append(make([]byte, 0, size), form...)}
}

// Seal ends a stored form with a CRC-32 of all of it.
func (w *Writer) Seal() ([]byte, error) {
	if w.err != nil { // unreachable unless evidence holds a number that is not finite
		return nil, fmt.Errorf("storing a state: %w", w.err)
	}
	return binary.LittleEndian.AppendUint32(w.b, crc32.ChecksumIEEE(w.b)), nil
}

// Open reads a stored form of the given name and version: its last byte. Versions from
// oldest on are read too; the reader's Form says which it is.
func Open(form string, oldest byte, b []byte) (*Reader, error) {
	name := len(form) - 1
	if len(b) < len(form)+4 || string(b[:name]) != form[:name] {
		return nil, errors.New("reading a stored state: not a stored state")
	}
	if b[name] < oldest || b[name] > form[name] {
		return nil, fmt.Errorf("reading a stored state: form %d, this program reads forms %d to %d", b[name], oldest, form[name])
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return nil, errors.New("reading a stored state: the checksum differs")
	}
	return &Reader{Form: b[name], b: body[len(form):]}, nil
}

// End says whether all was read and nothing was broken.
func (r *Reader) End() error {
	r.Check(len(r.b) == 0, "bytes are left over")
	if r.err != nil {
		return fmt.Errorf("reading a stored state: %w", r.err)
	}
	return nil
}

// Ok reports whether nothing was broken so far.
func (r *Reader) Ok() bool { return r.err == nil }

// Writer puts a stored form together: numbers as varints, floats and strings, one after the other.
type Writer struct {
	b   []byte
	err error
}

// Byte writes a byte as it is.
func (w *Writer) Byte(v byte) { w.b = append(w.b, v) }

// Uint writes a number that is not negative; Reader.Uint reads it.
func (w *Writer) Uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

// Int writes a number; Reader.Time and Reader.Int32 read it.
func (w *Writer) Int(v int64) { w.b = binary.AppendVarint(w.b, v) }

// Bool writes a truth.
func (w *Writer) Bool(v bool) {
	if v {
		w.Byte(1)
	} else {
		w.Byte(0)
	}
}

// Float writes the bytes of a float from the end, so that whole numbers are short.
func (w *Writer) Float(v float64) { w.Uint(bits.ReverseBytes64(math.Float64bits(v))) }

// String writes a text with its length.
func (w *Writer) String(s string) {
	w.Uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

// Optional writes facts that mostly are not there: a byte says whether they are.
func Optional[T any](w *Writer, v *T) {
	if w.Bool(v != nil); v != nil {
		w.JSON(v)
	}
}

// JSON writes what has many fields and changes seldom: it costs far more than the
// rest. Equal values give equal bytes, because encoding/json sorts a map's keys.
func (w *Writer) JSON(v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		w.err = err // unreachable unless a number is not finite, which evidence never is
	}
	w.String(b.String())
}

// List writes how many items there are, and each; ReadList reads them.
func List[T any](w *Writer, items []T, each func(*Writer, *T)) {
	w.Uint(uint64(len(items)))
	for i := range items {
		each(w, &items[i])
	}
}

// Reader takes a stored form apart. After the first error it gives zeros.
type Reader struct {
	Form byte // version of what is read

	b   []byte
	err error
}

// Check notes what is wrong unless ok, or something was before: it gives whether nothing is.
func (r *Reader) Check(ok bool, what string) bool {
	if !ok && r.err == nil {
		r.err = errors.New(what)
		r.b = nil
	}
	return r.err == nil
}

// Left is how many bytes there still are.
func (r *Reader) Left() int { return len(r.b) }

func (r *Reader) byte() byte {
	if !r.Check(len(r.b) > 0, "it ends too early") {
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// Bool reads what Writer.Bool wrote.
func (r *Reader) Bool() bool {
	v := r.byte()
	r.Check(v <= 1, "a truth value is neither 0 nor 1")
	return v == 1
}

// Enum reads a byte below n.
func (r *Reader) Enum(n int) byte {
	v := r.byte()
	if !r.Check(int(v) < n, "an enumeration is out of range") {
		return 0
	}
	return v
}

// Uint reads what Writer.Uint wrote.
func (r *Reader) Uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if !r.Check(n > 0, "a number is broken") {
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *Reader) int() int64 {
	v, n := binary.Varint(r.b)
	if !r.Check(n > 0, "a number is broken") {
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Farthest bounds the times of a state: sums of them do not overflow.
const Farthest = 1 << 55

// Time reads Unix seconds. The largest number, which means never, is allowed.
func (r *Reader) Time() int64 {
	v := r.int()
	if !r.Check(v == math.MaxInt64 || v > -Farthest && v < Farthest, "a time is out of range") {
		return 0
	}
	return v
}

// Size is n as a count, which must be no more than most.
func (r *Reader) Size(n uint64, most int) int {
	if !r.Check(n <= uint64(most), "a count is out of range") {
		return 0
	}
	return int(n)
}

// Int32 reads a count that may be negative.
func (r *Reader) Int32() int32 {
	v := r.int()
	if !r.Check(v > -math.MaxInt32 && v < math.MaxInt32, "a count is out of range") {
		return 0
	}
	return int32(v)
}

// Float reads what Writer.Float wrote: any float there is.
func (r *Reader) Float() float64 { return math.Float64frombits(bits.ReverseBytes64(r.Uint())) }

// String reads what Writer.String wrote.
func (r *Reader) String() string {
	n := r.Size(r.Uint(), len(r.b))
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// ReadJSON reads what Writer.JSON wrote; nil where that is broken.
func ReadJSON[T any](r *Reader) *T {
	s := r.String()
	var v *T
	if r.err != nil {
		return nil
	}
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		r.Check(false, "facts are broken")
		return nil
	}
	return v
}

// ReadList reads a list whose items take at least least bytes each.
func ReadList[T any](r *Reader, least int, each func(*Reader, *T)) []T {
	n := r.Size(r.Uint(), len(r.b)/least)
	if n == 0 {
		return nil
	}
	items := make([]T, n)
	for i := range items {
		each(r, &items[i])
		if r.err != nil {
			return nil
		}
	}
	return items
}

// ReadOptional reads what Optional wrote.
func ReadOptional[T any](r *Reader) *T {
	if !r.Bool() {
		return nil
	}
	return ReadJSON[T](r)
}

// Fixed writes a value of a fixed size.
func (w *Writer) Fixed(v any) {
	b, err := binary.Append(w.b, binary.LittleEndian, v)
	if err != nil {
		w.err = err // unreachable unless a track has a field of no fixed size
		return
	}
	w.b = b
}

// Amount reads a finite number that is not negative.
func (r *Reader) Amount() float64 {
	v := r.Float()
	r.Check(v-v == 0 && v >= 0, "an amount is broken")
	return v
}

// Fixed reads what Writer.Fixed wrote, into a pointer to a value of the same size.
func (r *Reader) Fixed(v any) {
	n, err := binary.Decode(r.b, binary.LittleEndian, v)
	if r.Check(err == nil, "it ends too early") {
		r.b = r.b[n:]
	}
}
