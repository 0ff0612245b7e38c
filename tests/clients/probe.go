// One operation of the Go client, told as JSON; see probe.py.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"skyisland"
)

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

func decode(text string, into any) {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		panic(err)
	}
}

func told(a *skyisland.Answer, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return map[string]any{"data": hex.EncodeToString(a.Data), "stderr": hex.EncodeToString(a.Stderr), "results": a.Results,
		"error": a.Error, "module": a.Module, "request_id": a.RequestID, "timestamp": a.Timestamp}, nil
}

func wrong(err error) any {
	var p *skyisland.Problem
	if !errors.As(err, &p) {
		if errors.Is(err, context.DeadlineExceeded) {
			return map[string]any{"kind": "timeout"}
		}
		return map[string]any{"kind": "transport"}
	}
	kind, after := p.Fault, int(p.RetryAfter.Round(time.Second).Seconds())
	if kind == "" {
		kind = "other"
	}
	if p.RetryAfter < 0 {
		after = -1
	}
	return map[string]any{"kind": kind, "status": p.Status, "code": p.Code, "stage": p.Stage, "detail": p.Detail,
		"stdout": hex.EncodeToString(p.Stdout), "stderr": hex.EncodeToString(p.Stderr), "request_id": p.RequestID,
		"retry_after": after, "nearest": p.Members["nearest"]}
}

func run(address, operation string, given []string) (any, error) {
	c, err := skyisland.New(address)
	if err != nil {
		fmt.Println(`{"kind":"argument"}`)
		os.Exit(1)
	}
	c.FunctionToken, c.AdminToken = os.Getenv("SKY_FUNCTION_TOKEN"), os.Getenv("SKY_ADMIN_TOKEN")
	c.Timeout = time.Duration(number(os.Getenv("SKY_TIMEOUT_MS"))) * time.Millisecond
	c.Retries = number(os.Getenv("SKY_RETRIES"))
	ctx := context.Background()
	switch operation {
	case "call":
		request := skyisland.Request{URL: given[0], Call: given[1]}
		decode(given[2], &request)
		return told(c.Call(ctx, request))
	case "typed":
		request := skyisland.Request{URL: given[0], Function: given[1]}
		decode(given[2], &request.Args)
		return told(c.Results(ctx, request))
	case "jails":
		return c.Jails(ctx)
	case "jail":
		return c.Jail(ctx, number(given[0]))
	case "kill":
		return number(given[0]), c.Kill(ctx, number(given[0]))
	case "kill_all":
		return c.KillAll(ctx)
	case "ips":
		return c.IPs(ctx, append(given, "")[0])
	case "ips_in_state":
		return c.IPsInState(ctx, given[0], "")
	case "set_ip":
		return nil, c.SetIP(ctx, given[0], given[1])
	case "api_stats":
		return c.APIStats(ctx)
	case "health":
		return nil, c.Health(ctx)
	}
	panic(operation)
}

func main() {
	result, err := run(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		result = wrong(err)
	}
	text, _ := json.Marshal(result)
	fmt.Println(string(text))
	if err != nil {
		os.Exit(1)
	}
}
