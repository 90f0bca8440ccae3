package dispatchtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// EventBridge is Amazon EventBridge with some buses. Its fields are set before it is used.
type EventBridge struct {
	Desk
	Key, Secret string   // of the credentials that requests are signed with; any if empty
	Region      string   // any if empty
	Buses       []string // names or ARNs; any if nil
}

// eventsBusy is how EventBridge answers that it is asked too much.
var eventsBusy = answer{http.StatusBadRequest, object{"__type": "ThrottlingException", "message": "Rate exceeded"}}

const (
	mostEntries = 10
	mostEntry   = 1 << 20 // bytes of all entries
)

// entry is an event as PutEvents takes it.
type entry struct {
	Time         *float64
	Source       string
	DetailType   string
	Detail       string
	EventBusName string
	Resources    []string
	TraceHeader  string
}

// ServeHTTP takes PutEvents.
func (e *EventBridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.serve(w, r, "PutEvents", eventsBusy, func(body []byte) answer {
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents":
			return e.fault("UnknownOperationException", "%s %s %s", r.Method, r.URL.Path, r.Header.Get("X-Amz-Target"))
		case r.Header.Get("Content-Type") != "application/x-amz-json-1.1":
			return e.fault("SerializationException", "Content-Type: %q", r.Header.Get("Content-Type"))
		}
		if fault, why := e.unsigned(r, body); fault != "" {
			return e.fault(fault, "%s", why)
		}
		return e.put(body)
	})
}

// fault is an error as AWS's JSON protocol carries it.
func (e *EventBridge) fault(name, format string, args ...any) answer {
	message := fmt.Sprintf(format, args...)
	return e.refuse(http.StatusBadRequest, object{"__type": name, "message": message}, "%s: %s", name, message)
}

func (e *EventBridge) put(body []byte) answer {
	var in struct{ Entries []entry }
	size := 0
	switch err := json.Unmarshal(body, &in); {
	case err != nil:
		return e.fault("SerializationException", "%v", err)
	case len(in.Entries) == 0 || len(in.Entries) > mostEntries:
		return e.fault("ValidationException", "Value at 'entries' failed to satisfy constraint: Member must have length between 1 and %d", mostEntries)
	}
	for _, one := range in.Entries {
		if size += len(one.Source) + len(one.DetailType) + len(one.Detail); one.Time != nil {
			size += 14
		}
	}
	if size > mostEntry {
		return e.fault("ValidationException", "Total size of the entries in the request is over the limit.")
	}
	failed, results := 0, []object{}
	for i, one := range in.Entries {
		if name, why := e.refusal(one); name != "" {
			failed++
			e.wrong = append(e.wrong, fmt.Sprintf("entry %d: %s: %s", i, name, why))
			results = append(results, object{"ErrorCode": name, "ErrorMessage": why})
			continue
		}
		s := e.start(Started{What: one.DetailType, Title: one.Source, Body: json.RawMessage(one.Detail)})
		results = append(results, object{"EventId": fmt.Sprintf("11710aed-b79e-4468-a20b-bb3c0c3b%04x", s.ID)})
	}
	return answer{http.StatusOK, object{"FailedEntryCount": failed, "Entries": results}}
}

// refusal is why an entry is not taken.
func (e *EventBridge) refusal(one entry) (name, why string) {
	var detail map[string]any
	switch {
	case one.Source == "" || one.DetailType == "" || one.Detail == "":
		return "InvalidArgument", "Parameter Source, DetailType or Detail is not valid. Reason: it is a required argument."
	case len(one.DetailType) > 128:
		return "InvalidArgument", "Parameter DetailType is not valid. Reason: it is longer than 128 characters."
	case strings.HasPrefix(one.Source, "aws."):
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	case json.Unmarshal([]byte(one.Detail), &detail) != nil:
		return "MalformedDetail", "Detail is malformed."
	case e.Buses != nil && !slices.Contains(e.Buses, either(one.EventBusName, "default")):
		return "ResourceNotFoundException", "Event bus " + one.EventBusName + " does not exist."
	}
	return "", ""
}

func either(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
