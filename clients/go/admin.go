package skyisland

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// A Jail is where one thing runs; the server's docs/api.md has what its fields mean.
type Jail struct {
	Host      string    `json:"host"`
	IP4       *string   `json:"ip4"`
	IP6       *string   `json:"ip6"`
	ID        int       `json:"jid"`
	Name      string    `json:"name"`
	OSRelease string    `json:"OSRelease"`
	Path      string    `json:"path"`
	Hostname  string    `json:"hostname"`
	State     string    `json:"state"`
	Module    string    `json:"module"`
	StartedAt time.Time `json:"started_at"`
}

// Jails lists all jails, the oldest first.
func (c *Client) Jails(ctx context.Context) ([]Jail, error) {
	var jails []Jail
	for path := "/api/v1/admin/jails"; path != ""; {
		var page struct{ Jails []Jail }
		next, err := c.page(ctx, path, &page)
		if err != nil {
			return nil, err
		}
		jails, path = append(jails, page.Jails...), next
	}
	return jails, nil
}

// Jail looks at one jail.
func (c *Client) Jail(ctx context.Context, id int) (*Jail, error) {
	var said struct{ Details Jail }
	if _, err := c.admin(ctx, http.MethodGet, jailPath(id), nil, &said); err != nil {
		return nil, err
	}
	return &said.Details, nil
}

// Kill ends a jail; its call ends with jail_killed.
func (c *Client) Kill(ctx context.Context, id int) error {
	var said struct{ Deleted int }
	_, err := c.admin(ctx, http.MethodDelete, jailPath(id), nil, &said)
	return err
}

// KillAll ends all jails, and returns which they were.
func (c *Client) KillAll(ctx context.Context) ([]int, error) {
	var said struct{ Deleted []int }
	_, err := c.admin(ctx, http.MethodDelete, "/api/v1/admin/jails", nil, &said)
	return said.Deleted, err
}

// IPs has all addresses of a pool, or of all pools where that is "": each with the name of the jail that holds it, or nil.
func (c *Client) IPs(ctx context.Context, pool string) (map[string]*string, error) {
	ips := map[string]*string{}
	for path := ipsPath("", pool); path != ""; {
		next, err := c.page(ctx, path, &ips) // a map keeps what it has
		if err != nil {
			return nil, err
		}
		path = next
	}
	return ips, nil
}

// IPsInState has the addresses in a state, "available" or "unavailable".
func (c *Client) IPsInState(ctx context.Context, state, pool string) ([]string, error) {
	var ips []string
	for path := ipsPath(state, pool); path != ""; {
		page := map[string][]string{}
		next, err := c.page(ctx, path, &page)
		if err != nil {
			return nil, err
		}
		ips, path = append(ips, page[state]...), next
	}
	return ips, nil
}

// SetIP makes an address "unavailable", or "available" again.
func (c *Client) SetIP(ctx context.Context, ip, state string) error {
	var said struct{}
	_, err := c.admin(ctx, http.MethodPut, "/api/v1/admin/ips", map[string]string{"ip": ip, "state": state}, &said)
	return err
}

// Stats are figures of the API since the server's start, and of the last second.
type Stats struct {
	PID                    int            `json:"pid"`
	Uptime                 string         `json:"uptime"`
	UptimeSec              float64        `json:"uptime_sec"`
	Time                   string         `json:"time"`
	UnixTime               int64          `json:"unixtime"`
	StatusCodeCount        map[string]int `json:"status_code_count"`
	TotalStatusCodeCount   map[string]int `json:"total_status_code_count"`
	Count                  int            `json:"count"`
	TotalCount             int            `json:"total_count"`
	TotalResponseTime      string         `json:"total_response_time"`
	TotalResponseTimeSec   float64        `json:"total_response_time_sec"`
	AverageResponseTime    string         `json:"average_response_time"`
	AverageResponseTimeSec float64        `json:"average_response_time_sec"`
}

// APIStats asks for them.
func (c *Client) APIStats(ctx context.Context) (*Stats, error) {
	var said Stats
	if _, err := c.admin(ctx, http.MethodGet, "/api/v1/admin/api-stats", nil, &said); err != nil {
		return nil, err
	}
	return &said, nil
}

// Health returns nil where the server answers.
func (c *Client) Health(ctx context.Context) error {
	var said struct{}
	_, err := c.send(ctx, http.MethodGet, "/healthcheck", http.Header{}, nil, &said)
	return err
}

func (c *Client) admin(ctx context.Context, method, path string, body, into any) (http.Header, error) {
	header := http.Header{}
	if c.AdminToken != "" {
		header.Set(c.AdminTokenHeader, c.AdminToken)
	}
	return c.send(ctx, method, path, header, body, into)
}

var nextLink = regexp.MustCompile(`<(/[^>]*)>; rel="next"`)

// page returns the path of the next one.
func (c *Client) page(ctx context.Context, path string, into any) (string, error) {
	header, err := c.admin(ctx, http.MethodGet, path, nil, into)
	if err != nil {
		return "", err
	}
	if next := nextLink.FindStringSubmatch(header.Get("Link")); next != nil {
		return next[1], nil
	}
	return "", nil
}

func jailPath(id int) string { return fmt.Sprintf("/api/v1/admin/jails/%d", id) }

func ipsPath(state, pool string) string {
	query := url.Values{}
	if state != "" {
		query.Set("state", state)
	}
	if pool != "" {
		query.Set("pool", pool)
	}
	if len(query) == 0 {
		return "/api/v1/admin/ips"
	}
	return "/api/v1/admin/ips?" + query.Encode()
}
