// SPDX-License-Identifier: MIT

//go:build linux

// Package peers makes private LANs for tests against real stacks: network namespaces of their own joined by a bridge, with
// no way out, and processes in them that end with the LAN. Samba runs in folders of its own, so that several can run on one
// machine without hearing of each other.
//
// It needs root, iproute2 and what it is asked to start. Its tests, and those that use it, have the build tag peers and run
// under make test-peers.
package peers

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Network is the network of every LAN: hosts are 10.77.0.1 and up.
var Network = netip.MustParsePrefix("10.77.0.0/24")

// LAN is a bridge with hosts.
type LAN struct {
	tag   string
	dir   string
	hosts []*Host
	procs []*Process
}

// Host is a network namespace with one interface, eth0.
type Host struct {
	lan  *LAN
	name string // of the namespace
	Addr netip.Addr
}

var made atomic.Int64

// Up makes a LAN of hosts. What was made of one that fails is taken down again.
func Up(hosts int) (*LAN, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("peers: making network namespaces needs root: run make test-peers as root")
	}
	dir, err := os.MkdirTemp("", "nbtlab-peers-")
	if err != nil {
		return nil, err
	}
	tag := os.Getenv("NBTLAB_PEERS_TAG") // by which the script that runs the tests knows what it has to clear away
	if tag == "" {
		tag = "nbtlab"
	}
	l := &LAN{tag: fmt.Sprintf("%s-%d-%d", tag, os.Getpid(), made.Add(1)), dir: dir}
	if err := l.build(hosts); err != nil {
		return nil, errors.Join(err, l.Down())
	}
	return l, nil
}

func (l *LAN) build(hosts int) error {
	// A daemon that looks into its folders as somebody else must get there.
	if err := os.Chmod(l.dir, 0o755); err != nil {
		return err
	}
	sw := l.bridge()
	for _, args := range [][]string{
		{"netns", "add", sw},
		{"-n", sw, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"},
		{"-n", sw, "link", "set", "br0", "up"},
		{"-n", sw, "link", "set", "lo", "up"},
	} {
		if err := ip(args...); err != nil {
			return err
		}
	}
	addr := Network.Addr()
	for i := range hosts {
		addr = addr.Next()
		h := &Host{lan: l, name: fmt.Sprintf("%s-h%d", l.tag, i+1), Addr: addr}
		port := "p" + strconv.Itoa(i+1)
		for _, args := range [][]string{
			{"netns", "add", h.name},
			{"link", "add", "eth0", "netns", h.name, "type", "veth", "peer", "name", port, "netns", sw},
			{"-n", sw, "link", "set", port, "master", "br0", "up"},
			{"-n", h.name, "link", "set", "lo", "up"},
			{"-n", h.name, "addr", "add", h.Prefix().String(), "brd", "10.77.0.255", "dev", "eth0"},
			{"-n", h.name, "link", "set", "eth0", "up"},
		} {
			if err := ip(args...); err != nil {
				return err
			}
		}
		l.hosts = append(l.hosts, h)
		// Without IPv6 nothing is on the LAN but what a test sends; with checksums computed, captures show real ones.
		if err := h.In(func() error {
			return os.WriteFile("/proc/sys/net/ipv6/conf/all/disable_ipv6", []byte("1"), 0o644)
		}); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if _, err := exec.LookPath("ethtool"); err == nil {
			if r, err := h.Run("ethtool", "-K", "eth0", "tx", "off"); err != nil || r.Code != 0 {
				return fmt.Errorf("peers: ethtool: %w: %s", err, r.Stderr)
			}
		}
	}
	return nil
}

// Unplug takes the cables of all hosts out of the bridge, and calls f where their other ends are, with the indexes of those
// interfaces in the order of the hosts. F is called like that of [Host.In]; nothing passes but what its sockets pass on.
func (l *LAN) Unplug(f func(interfaces []int) error) error {
	sw := &Host{lan: l, name: l.bridge()}
	return sw.In(func() error {
		ends := make([]int, len(l.hosts))
		for i := range l.hosts {
			port := "p" + strconv.Itoa(i+1)
			if err := ip("-n", sw.name, "link", "set", port, "nomaster"); err != nil {
				return err
			}
			end, err := net.InterfaceByName(port)
			if err != nil {
				return err
			}
			ends[i] = end.Index
		}
		return f(ends)
	})
}

func (l *LAN) bridge() string { return l.tag + "-sw" }

// Host returns a host, counted from 1.
func (l *LAN) Host(n int) *Host { return l.hosts[n-1] }

// Dir is a folder that goes with the LAN.
func (l *LAN) Dir() string { return l.dir }

// Down ends every process of the LAN, and only those, and removes the LAN.
func (l *LAN) Down() error {
	var errs []error
	for _, p := range l.procs {
		p.Kill()
	}
	names := []string{l.bridge()}
	for _, h := range l.hosts {
		names = append(names, h.name)
	}
	for _, name := range names {
		errs = append(errs, endAllIn(name))
	}
	for _, p := range l.procs {
		<-p.Done()
	}
	for _, name := range names {
		if _, err := os.Stat("/run/netns/" + name); err == nil {
			errs = append(errs, ip("netns", "del", name))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(l.dir))...)
}

// endAllIn ends what still runs in a namespace: children that a daemon left behind. Nobody but the LAN starts anything there.
func endAllIn(name string) error {
	out, err := exec.Command("ip", "netns", "pids", name).Output()
	if err != nil {
		return nil //nolint:nilerror // there is no such namespace, so nothing runs in it
	}
	var errs []error
	for field := range strings.FieldsSeq(string(out)) {
		pid, err := strconv.Atoi(field)
		if err == nil && pid > 1 && pid != os.Getpid() {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// Name is that of the host's namespace, for ip netns exec.
func (h *Host) Name() string { return h.name }

// Prefix is the host's address and the network it is on, such as 10.77.0.1/24.
func (h *Host) Prefix() netip.Prefix { return netip.PrefixFrom(h.Addr, Network.Bits()) }

// In calls f on a thread that is in the host's namespace: sockets that f opens are the host's for good. F must not start
// goroutines to open them.
func (h *Host) In(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The main thread cannot end, and where it is the process is said to be. Held here, it is not the next one too.
			defer runtime.UnlockOSThread()
			done <- h.In(f)
			return
		}
		done <- h.in(f) // never unlocked: the thread ends with the goroutine, nobody else gets it
	}()
	return <-done
}

func (h *Host) in(f func() error) error {
	fd, err := os.Open("/run/netns/" + h.name)
	if err != nil {
		return err
	}
	err = unix.Setns(int(fd.Fd()), unix.CLONE_NEWNET)
	if err = errors.Join(err, fd.Close()); err != nil {
		return fmt.Errorf("peers: cannot enter the namespace of %s: %w", h.Addr, err)
	}
	return f()
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("peers: ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
