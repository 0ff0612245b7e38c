package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
)

// relay is a listener on the jail's loopback whose connections all go to one target, by CONNECT through
// the server's listener: for what speaks no CONNECT itself. With socks it first hears a SOCKS5 request
// (RFC 1928), whose target is not asked for.
type relay struct {
	listener net.Listener
	proxy    string
	target   string
	socks    bool
	lock     sync.Mutex
	open     map[net.Conn]bool
}

// proxyAddress is where the server listens, host:port.
func proxyAddress() string {
	_, rest, _ := strings.Cut(os.Getenv("HTTPS_PROXY"), "://")
	return strings.TrimRight(rest, "/")
}

func newRelay(proxy, target string, socks bool) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener, proxy: proxy, target: target, socks: socks, open: map[net.Conn]bool{}}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client)
		}
	}()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) close() {
	r.listener.Close()
	r.lock.Lock()
	defer r.lock.Unlock()
	for conn := range r.open {
		conn.Close()
	}
}

func (r *relay) keep(conn net.Conn) func() {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.open[conn] = true
	return func() {
		conn.Close()
		r.lock.Lock()
		defer r.lock.Unlock()
		delete(r.open, conn)
	}
}

func (r *relay) serve(client net.Conn) {
	defer r.keep(client)()
	from := bufio.NewReader(client)
	if r.socks {
		if err := socksHear(client, from); err != nil {
			return
		}
	}
	server, err := net.Dial("tcp", r.proxy)
	if err != nil {
		return
	}
	defer r.keep(server)()
	back := bufio.NewReader(server)
	if err := connect(server, back, r.target); err != nil {
		fmt.Fprintln(os.Stderr, "tool:", err)
		return
	}
	go func() {
		_, _ = io.Copy(server, from)
		if half, ok := server.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, _ = io.Copy(client, back)
}

// connect asks a proxy for a way to the target (RFC 9110, 9.3.6).
func connect(server io.Writer, back *bufio.Reader, target string) error {
	if _, err := fmt.Fprintf(server, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target); err != nil {
		return err
	}
	status, err := back.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(status, "HTTP/1.1 200 ") {
		return errors.New("the way out is closed: " + strings.TrimSpace(status))
	}
	for line := status; line != "\r\n"; {
		if line, err = back.ReadString('\n'); err != nil {
			return err
		}
	}
	return nil
}

// socksHear answers a client that asks for any target, without authentication.
func socksHear(client io.Writer, from io.Reader) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(from, head); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, from, int64(head[1])); err != nil || head[0] != 5 {
		return errors.Join(err, errors.New("not SOCKS5"))
	}
	if _, err := client.Write([]byte{5, 0}); err != nil {
		return err
	}
	request := make([]byte, 5) // version, command, reserved, kind of address, its first byte
	if _, err := io.ReadFull(from, request); err != nil {
		return err
	}
	rest := map[byte]int64{1: 3 + 2, 3: int64(request[4]) + 2, 4: 15 + 2}[request[3]]
	if _, err := io.CopyN(io.Discard, from, rest); err != nil || rest == 0 || request[1] != 1 {
		return errors.Join(err, errors.New("not a SOCKS5 request to connect"))
	}
	_, err := client.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return err
}
