// Package skyisland is a client of Sky Island, which turns any Go package into an API.
//
//	client, err := skyisland.New("http://127.0.0.1:3280")
//	answer, err := client.Call(ctx, skyisland.Request{URL: "strings", Call: `ToUpper("a")`})
package skyisland

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Client calls one server. Its fields may be set before it is used, then many goroutines may use it.
type Client struct {
	FunctionToken    string        // for calls, where the server asks for one
	AdminToken       string        // for the admin API
	AdminTokenHeader string        // which carries it; New sets X-Sky-Island-Token
	Timeout          time.Duration // for one call in all, its retries included; 0: as long as the context; New sets 5 minutes
	Retries          int           // how often a call is tried again at most, see Problem.Temporary; New sets 3

	base string
	http *http.Client
}

// New makes a client of http://host:port, https://host:port or unix:/path.
func New(address string) (*Client, error) {
	c := &Client{
		AdminTokenHeader: "X-Sky-Island-Token",
		Timeout:          5 * time.Minute,
		Retries:          3,
		base:             strings.TrimRight(address, "/"),
		// The answer to a redirected call would be that of somebody who is not to have the token.
		http: &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok && path != "" {
		c.base = "http://localhost"
		c.http.Transport = &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			},
			IdleConnTimeout: time.Minute,
		}
		return c, nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is no address: it must be such as http://127.0.0.1:3280, https://sky.example.com or unix:/path", address)
	}
	return c, nil
}

// A Request names a function and its arguments, by Call or by Function and Args.
type Request struct {
	URL       string   `json:"url"`
	Call      string   `json:"call,omitempty"` // Go text: ToUpper("a")
	Function  string   `json:"function,omitempty"`
	Args      []any    `json:"args,omitempty"` // they become JSON
	Version   string   `json:"version,omitempty"`
	Imports   []string `json:"imports,omitempty"`
	CacheBust bool     `json:"cache_bust,omitempty"`
	IP4       any      `json:"ip4,omitempty"`   // true, or a pool's name
	Reuse     *bool    `json:"reuse,omitempty"` // whether a jail of earlier calls will do; nil: as configured there
}

// An Answer is what a call returned.
type Answer struct {
	Timestamp int64
	Data      []byte            // what it printed, with its results unless those were asked for as JSON
	Stderr    []byte            // what it wrote there
	Results   []json.RawMessage // of Results
	Error     *string           // of Results: the last result where that is a Go error, nil where it was nil
	Module    string            // which version ran: path@version
	RequestID string
}

func (a *Answer) String() string { return string(a.Data) }

// Call makes a call, whose results are printed into Data.
func (c *Client) Call(ctx context.Context, request Request) (*Answer, error) {
	return c.function(ctx, request, "text")
}

// Results makes a call, whose results are JSON, and decodes as many of them as `into` has pointers for.
func (c *Client) Results(ctx context.Context, request Request, into ...any) (*Answer, error) {
	answer, err := c.function(ctx, request, "json")
	if err != nil {
		return nil, err
	}
	if len(into) > len(answer.Results) {
		return answer, fmt.Errorf("%d results are wanted, and there are %d", len(into), len(answer.Results))
	}
	for i, pointer := range into {
		if err := json.Unmarshal(answer.Results[i], pointer); err != nil {
			return answer, fmt.Errorf("result %d: %w", i, err)
		}
	}
	return answer, nil
}

// What was written comes as text, and where that is not UTF-8 the bytes beside it.
type written struct {
	Text   string
	Base64 *string
}

func (w written) bytes() []byte {
	if w.Base64 != nil {
		if b, err := base64.StdEncoding.DecodeString(*w.Base64); err == nil {
			return b
		}
	}
	return []byte(w.Text)
}

func (c *Client) function(ctx context.Context, request Request, output string) (*Answer, error) {
	body := struct {
		Request
		Output string `json:"output"`
	}{request, output}
	header := http.Header{}
	if c.FunctionToken != "" {
		header.Set("Authorization", "Bearer "+c.FunctionToken)
	}
	var said struct {
		Timestamp    int64             `json:"timestamp"`
		Data         string            `json:"data"`
		DataBase64   *string           `json:"data_base64"`
		Stderr       string            `json:"stderr"`
		StderrBase64 *string           `json:"stderr_base64"`
		Results      []json.RawMessage `json:"results"`
		Error        *string           `json:"error"`
	}
	answered, err := c.send(ctx, http.MethodPost, "/api/v1/function", header, body, &said)
	if err != nil {
		return nil, err
	}
	return &Answer{
		Timestamp: said.Timestamp,
		Data:      written{said.Data, said.DataBase64}.bytes(),
		Stderr:    written{said.Stderr, said.StderrBase64}.bytes(),
		Results:   said.Results,
		Error:     said.Error,
		Module:    answered.Get("X-Sky-Island-Module"),
		RequestID: answered.Get("X-Request-Id"),
	}, nil
}
