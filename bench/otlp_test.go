package bench

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/relgate/relgate/exporters/otlp"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

// inBase64 writes the ids of OTLP's JSON form, which are in hex, as the JSON form of protocol
// buffers has bytes. Nothing else differs between the two.
func inBase64(t *testing.T, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if key == "traceId" || key == "spanId" || key == "parentSpanId" {
				raw, err := hex.DecodeString(inner.(string))
				if err != nil {
					t.Error(err)
				}
				v[key] = base64.StdEncoding.EncodeToString(raw)
				continue
			}
			v[key] = inBase64(t, inner)
		}
	case []any:
		for i := range v {
			v[i] = inBase64(t, v[i])
		}
	}
	return v
}

// OpenTelemetry's own module reads what relgate posts, strictly: no field is unknown to it,
// and none is of another type.
func TestOpenTelemetryReadsTraces(t *testing.T) {
	t0 := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	event := func(n uint64, kind, subject, from, to string) wire.EventBody {
		return wire.EventBody{
			Kind: kind, Type: "relgate." + kind + "." + to, Severity: "info", ID: fmt.Sprintf("shop@1.2.0.k3v9/%d", n), N: n, Plan: "shop", Run: "shop@1.2.0", Version: "1.2.0",
			Subject: subject, From: from, To: to, At: new(t0.Add(time.Duration(n) * time.Minute)), Headline: to,
		}
	}
	f := format.Facts{Earlier: []wire.EventBody{
		event(1, "run", "shop", "", "waiting"), event(2, "phase", "ten", "waiting", "monitoring"), event(3, "rule", "errors", "clear", "fired"),
		event(4, "verdict", "ten", "pending", "rollback"),
	}, Event: event(5, "run", "shop", "monitoring", "rolled_back")}
	call, err := otlp.Format("1.0").Open(format.Endpoint{URL: "https://o.example/v1/traces", External: "https://gate.example"})(f)
	if err != nil {
		t.Fatal(err)
	}
	var parsed any
	d := json.NewDecoder(bytes.NewReader(call.Body))
	d.UseNumber()
	if err := d.Decode(&parsed); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(inBase64(t, parsed))
	if err != nil {
		t.Fatal(err)
	}
	// The request has the fields of this message, under the same numbers and names.
	var data tracepb.TracesData
	if err := protojson.Unmarshal(text, &data); err != nil {
		t.Fatalf("%v: %s", err, call.Body)
	}
	if _, err := proto.Marshal(&data); err != nil {
		t.Fatal(err)
	}
	spans := data.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 2 {
		t.Fatalf("%d spans", len(spans))
	}
	run, phase := spans[0], spans[1]
	switch {
	case len(run.TraceId) != 16 || len(run.SpanId) != 8 || len(run.ParentSpanId) != 0:
		t.Errorf("ids of the run: %x %x %x", run.TraceId, run.SpanId, run.ParentSpanId)
	case !bytes.Equal(phase.TraceId, run.TraceId) || !bytes.Equal(phase.ParentSpanId, run.SpanId):
		t.Errorf("the phase is not below the run: %x %x", phase.TraceId, phase.ParentSpanId)
	case run.StartTimeUnixNano != uint64(t0.Add(time.Minute).UnixNano()) || run.EndTimeUnixNano != uint64(t0.Add(5*time.Minute).UnixNano()):
		t.Errorf("times: %d to %d", run.StartTimeUnixNano, run.EndTimeUnixNano)
	case run.Kind != tracepb.Span_SPAN_KIND_INTERNAL || run.Status.Code != tracepb.Status_STATUS_CODE_ERROR || phase.Status.Code != tracepb.Status_STATUS_CODE_ERROR:
		t.Errorf("kind %v, status %v and %v", run.Kind, run.Status, phase.Status)
	case len(run.Events) != 2 || run.Events[1].Name != "relgate.run.rolled_back" || len(phase.Events) != 1 || phase.Events[0].Name != "relgate.verdict.rollback":
		t.Errorf("events %v and %v", run.Events, phase.Events)
	}
	numbers := 0
	for _, a := range run.Events[1].Attributes {
		if a.Key == "relgate.event.n" && a.Value.GetIntValue() == 5 {
			numbers++
		}
	}
	if numbers != 1 || data.ResourceSpans[0].Resource.Attributes[0].Value.GetStringValue() != "relgate" {
		t.Errorf("attributes %v", run.Events[1].Attributes)
	}
}
