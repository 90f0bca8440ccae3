package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// awsError is an error as AWS's JSON and CBOR protocols carry it.
type awsError struct {
	status  int
	code    string // what __type says, without its namespace
	query   string // the older query protocol's code, sent as x-amzn-query-error
	message string
	fields  map[string]any // more members of the error's body
}

func (e *awsError) Error() string { return e.code + ": " + e.message }

func invalid(code, message string) *awsError {
	return &awsError{status: http.StatusBadRequest, code: code, query: code, message: message}
}

// cloudwatchService is the shape name of CloudWatch in its model.
const cloudwatchService = "GraniteServiceVersion20100801"

// maxBody is the largest request that an upstream reads.
const maxBody = 4 << 20

// serveAWS tells CloudWatch, Athena, Lambda and CodeDeploy apart, so that one endpoint
// URL serves all their clients.
func (s *Simulator) serveAWS(w http.ResponseWriter, r *http.Request) {
	up, op := awsOperation(r)
	s.serve(w, r, up, op, func(w http.ResponseWriter, r *http.Request) {
		if e := checkSigned(r); e != nil {
			writeAWSError(w, r, e)
			return
		}
		switch up {
		case "cloudwatch":
			s.serveCloudWatch(w, r, op)
		case "athena":
			s.serveAthena(w, r, op)
		case "lambda":
			s.serveLambda(w, r, op)
		case "codedeploy":
			s.serveCodeDeploy(w, r, op)
		default:
			writeAWSError(w, r, &awsError{status: http.StatusNotFound, code: "UnknownOperationException", message: "The requested operation is not recognized by the service."})
		}
	})
}

// awsOperation reads which service and operation a request is for.
func awsOperation(r *http.Request) (upstream, operation string) {
	if rest, ok := strings.CutPrefix(r.URL.Path, "/service/"+cloudwatchService+"/operation/"); ok {
		return "cloudwatch", rest
	}
	if strings.HasPrefix(r.URL.Path, lambdaFunctions) {
		return "lambda", lambdaOperation(r)
	}
	service, op, ok := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case ok && service == "AmazonAthena":
		return "athena", op
	case ok && service == cloudwatchService:
		return "cloudwatch", op
	case ok && service == codeDeployService:
		return "codedeploy", op
	}
	return "aws", "unknown"
}

// checkSigned requires a signature of the right form. The signature itself is not
// verified: that would need the secret key.
func checkSigned(r *http.Request) *awsError {
	h := r.Header.Get("Authorization")
	if h == "" {
		return &awsError{status: http.StatusForbidden, code: "MissingAuthenticationTokenException", query: "MissingAuthenticationToken", message: "Missing Authentication Token"}
	}
	rest, ok := strings.CutPrefix(h, "AWS4-HMAC-SHA256 ")
	if !ok || !strings.Contains(rest, "Credential=") || !strings.Contains(rest, "SignedHeaders=") || !strings.Contains(rest, "Signature=") {
		return &awsError{status: http.StatusForbidden, code: "IncompleteSignatureException", query: "IncompleteSignature", message: "The request signature does not conform to AWS standards."}
	}
	return nil
}

func isCBOR(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Content-Type"), "cbor") || r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor"
}

// readAWS decodes a request's body in the protocol that it came in.
func readAWS(r *http.Request, into any) *awsError {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &awsError{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLargeException", message: tooLarge.Error()}
		}
		return invalid("SerializationException", "the body could not be read")
	}
	if len(body) == 0 {
		return nil // an operation without members may come without a body
	}
	if isCBOR(r) {
		err = cbor.Unmarshal(body, into)
	} else {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return invalid("SerializationException", err.Error())
	}
	return nil
}

func contentType(r *http.Request) string {
	switch {
	case isCBOR(r):
		return "application/cbor"
	case strings.HasPrefix(r.URL.Path, lambdaFunctions):
		return "application/json"
	case strings.HasPrefix(r.Header.Get("X-Amz-Target"), cloudwatchService):
		return "application/x-amz-json-1.0"
	}
	return "application/x-amz-json-1.1"
}

// writeAWS sends a body in the protocol of the request.
func writeAWS(w http.ResponseWriter, r *http.Request, status int, body any) {
	var out []byte
	var err error
	if isCBOR(r) {
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		out, err = cbor.Marshal(body)
	} else {
		out, err = json.Marshal(body)
	}
	if err != nil {
		http.Error(w, "encoding the answer: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType(r))
	w.WriteHeader(status)
	_, _ = w.Write(out) // the client may be gone
}

func writeAWSError(w http.ResponseWriter, r *http.Request, e *awsError) {
	if e.query != "" && !strings.HasPrefix(r.URL.Path, lambdaFunctions) {
		fault := "Sender"
		if e.status >= 500 {
			fault = "Receiver"
		}
		w.Header().Set("X-Amzn-Query-Error", e.query+";"+fault)
	}
	w.Header().Set("X-Amzn-ErrorType", e.code)
	body := map[string]any{"__type": errorType(r, e.code), "message": e.message}
	if strings.HasPrefix(r.URL.Path, lambdaFunctions) {
		body = map[string]any{"Type": "User", "Message": e.message}
	}
	for k, v := range e.fields {
		body[k] = v
	}
	writeAWS(w, r, e.status, body)
}

// errorType is the qualified name that each service puts before its codes.
func errorType(r *http.Request, code string) string {
	up, _ := awsOperation(r)
	if up != "cloudwatch" {
		return code
	}
	switch code {
	case "ValidationException", "SerializationException", "ThrottlingException":
		return "com.amazon.coral.validate#" + code
	}
	return "com.amazonaws.cloudwatch.v2010_08_01#" + code
}
