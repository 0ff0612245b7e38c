// Package network does what a jail with an address may do, and tries what it may not.
package network

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

const patience = 700 * time.Millisecond

// Get says what a TCP server sends before it closes.
func Get(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	text, err := io.ReadAll(c)
	return string(text), err
}

// Own is the address that a connection leaves from.
func Own(address string) (string, error) {
	c, err := net.DialTimeout("udp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	host, _, err := net.SplitHostPort(c.LocalAddr().String())
	return host, err
}

// Reach tries each address and says "open", "refused" (by a neighbour), "prohibited" (here) or "silent".
func Reach(addresses ...string) string {
	var words []string
	done := make([]chan string, len(addresses))
	for i, address := range addresses {
		done[i] = make(chan string, 1)
		go func() { done[i] <- reach(address) }()
	}
	for i := range done {
		words = append(words, <-done[i])
	}
	return strings.Join(words, " ")
}

func reach(address string) string {
	c, err := net.DialTimeout("tcp", address, patience)
	switch {
	case err == nil:
		c.Close()
		return "open"
	case strings.Contains(err.Error(), "refused"):
		return "refused"
	case strings.Contains(err.Error(), "permission denied"):
		return "prohibited"
	case strings.Contains(err.Error(), "timeout"):
		return "silent"
	}
	return err.Error()
}

// Echo sends over UDP and says what comes back.
func Echo(address, text string) (string, error) {
	c, err := net.DialTimeout("udp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(text)); err != nil {
		return "", err
	}
	answer := make([]byte, 1500)
	n, err := c.Read(answer)
	return string(answer[:n]), err
}

// Spray sends datagrams, each to a port of its own.
func Spray(host string, count int) (int, error) {
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for i := range count {
		if _, err := c.WriteToUDP([]byte("x"), &net.UDPAddr{IP: net.ParseIP(host), Port: 1024 + i}); err != nil {
			return i, err
		}
	}
	return count, nil
}

// Lookup asks the resolvers of /etc/resolv.conf.
func Lookup(host string) ([]string, error) {
	return net.LookupHost(host)
}

// Resolvers is /etc/resolv.conf as it is, and whether it can be changed.
func Resolvers() (string, bool) {
	text, _ := os.ReadFile("/etc/resolv.conf")
	return string(text), os.WriteFile("/etc/resolv.conf", []byte("nameserver 192.0.2.1\n"), 0o644) == nil
}

// Sockets tries each family and type.
func Sockets() string {
	var words []string
	for _, s := range [][3]int{
		{syscall.AF_INET, syscall.SOCK_STREAM, 0}, {syscall.AF_INET, syscall.SOCK_DGRAM, 0},
		{syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW}, {syscall.AF_INET, syscall.SOCK_DGRAM, syscall.IPPROTO_ICMP},
		{syscall.AF_INET6, syscall.SOCK_STREAM, 0}, {syscall.AF_PACKET, syscall.SOCK_RAW, 0},
		{syscall.AF_NETLINK, syscall.SOCK_RAW, syscall.NETLINK_ROUTE}, {40 /* AF_VSOCK */, syscall.SOCK_STREAM, 0},
	} {
		fd, err := syscall.Socket(s[0], s[1], s[2])
		if err == nil {
			syscall.Close(fd)
			words = append(words, "yes")
		} else {
			words = append(words, "no")
		}
	}
	return strings.Join(words, " ")
}

// Listen waits for one connection and says where from, or that none came.
func Listen(port, ms int) string {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{Port: port})
	if err != nil {
		return err.Error()
	}
	_ = l.SetDeadline(time.Now().Add(time.Duration(ms) * time.Millisecond))
	c, err := l.Accept()
	if err != nil {
		return "nobody"
	}
	return c.RemoteAddr().String()
}

// Sleep keeps its jail and so its address.
func Sleep(ms int) string {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return "slept"
}

// Mark says in a file that it has begun, and sleeps.
func Mark(ms int) string {
	if err := os.WriteFile("/tmp/mark", nil, 0o600); err != nil {
		return err.Error()
	}
	return Sleep(ms)
}

// End ends in the way that is named.
func End(how string) string {
	switch how {
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(3)
	case "signal":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "memory":
		var kept [][]byte
		for {
			kept = append(kept, make([]byte, 1<<20))
			for i := range kept[len(kept)-1] {
				kept[len(kept)-1][i] = 1
			}
		}
	case "loop":
		for {
			time.Sleep(time.Second)
		}
	case "flood":
		for {
			fmt.Println(strings.Repeat("x", 4096))
		}
	}
	return how
}
