package skyisland

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// send asks until there is an answer, and decodes it where it is good; it returns the answer's header.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, body, into any) (http.Header, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
		header.Set("Content-Type", "application/json")
	}
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	for tries := 0; ; tries++ {
		response, said, err := c.exchange(ctx, method, path, header, text)
		if err != nil {
			return nil, fmt.Errorf("no answer came: %w", err)
		}
		if response.StatusCode >= 200 && response.StatusCode < 300 {
			if err := json.Unmarshal(said, into); err != nil {
				return nil, fmt.Errorf("status %d, but not what a Sky Island answers: %w", response.StatusCode, err)
			}
			return response.Header, nil
		}
		problem := problemOf(response.StatusCode, response.Header, said)
		if tries >= c.Retries || !problem.Temporary() || !pause(ctx, problem.wait(tries)) {
			return nil, problem
		}
	}
}

func (c *Client) exchange(ctx context.Context, method, path string, header http.Header, text []byte) (*http.Response, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return nil, nil, err
	}
	request.Header = header
	response, err := c.http.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	return response, said, err
}

// pause waits; it does not begin to where the time would not suffice.
func pause(ctx context.Context, wait time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
