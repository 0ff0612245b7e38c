package skyisland

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Whose fault it was, in Problem.Fault.
const (
	FaultRequest  = "request"
	FaultFunction = "function"
	FaultPlatform = "platform"
)

// A Problem is an answer that was an error (RFC 9457); find it by errors.As. Where an answer is not the server's own, such as
// that of a proxy in front, there is a Status and no Code.
type Problem struct {
	Status         int
	Code           string // stable
	Fault          string
	Stage          string // request, fetch, build, jail or run
	Detail         string
	Stdout, Stderr []byte // what the function had written
	RequestID      string
	RetryAfter     time.Duration              // -1: not said
	Members        map[string]json.RawMessage // all that was answered, also what has no field here: nearest, exit_status, …
}

func (p *Problem) Error() string {
	detail, code := p.Detail, p.Code
	if detail == "" {
		detail = "the server answered with an error"
	}
	if code == "" {
		code = fmt.Sprintf("status %d", p.Status)
	}
	return detail + " (" + code + ")"
}

// Temporary says whether the same call may work later: where the fault is the platform's, or the status 429 or 503. Where a
// function failed it is false.
func (p *Problem) Temporary() bool {
	if p.Fault == FaultFunction {
		return false
	}
	return p.Fault == FaultPlatform || p.Status == http.StatusTooManyRequests || p.Status == http.StatusServiceUnavailable
}

func problemOf(status int, header http.Header, body []byte) *Problem {
	p := &Problem{Status: status, RequestID: header.Get("X-Request-Id"), RetryAfter: retryAfter(header.Get("Retry-After"))}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if kind != "application/problem+json" && kind != "application/json" || json.Unmarshal(body, &p.Members) != nil {
		p.Members = nil
		return p
	}
	var stdout, stderr written
	for name, to := range map[string]any{"code": &p.Code, "fault": &p.Fault, "stage": &p.Stage, "detail": &p.Detail,
		"stdout": &stdout.Text, "stdout_base64": &stdout.Base64, "stderr": &stderr.Text, "stderr_base64": &stderr.Base64} {
		if member, ok := p.Members[name]; ok {
			_ = json.Unmarshal(member, to) // what is of another type is as if it were not there
		}
	}
	p.Stdout, p.Stderr = stdout.bytes(), stderr.bytes()
	return p
}

// retryAfter reads seconds or a date; -1: neither.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return -1
}

// wait is how long to wait before another try. What is added at random keeps clients that were refused together from coming
// back together.
func (p *Problem) wait(tries int) time.Duration {
	backoff := min(200*time.Millisecond<<min(tries, 10), 10*time.Second)
	if p.RetryAfter >= 0 {
		return p.RetryAfter + time.Duration(rand.Int63n(int64(backoff/2)))
	}
	return backoff/2 + time.Duration(rand.Int63n(int64(backoff/2)))
}
