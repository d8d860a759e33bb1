// SPDX-License-Identifier: MIT

package live

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// waitForOne has a call that is ready for several datagrams return with the first, and those that are there by then.
const waitForOne = unix.MSG_WAITFORONE

// udpSocket is a socket whose datagrams pass in batches. Its reader waits in the system call, on a thread of its own: Go's
// poller takes three calls for a datagram that is waited for, and is woken for each that has left.
type udpSocket struct {
	file    *os.File
	raw     syscall.RawConn
	batches *ipv4.PacketConn
	closed  atomic.Bool
}

func newUDPSocket(c *net.UDPConn) (*udpSocket, error) {
	s := new(udpSocket)
	var err error
	if s.file, err = unpolled(c); err != nil {
		return nil, err
	}
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return nil, err
	}
	s.batches = ipv4.NewPacketConn(rawUDP{c, s.raw})
	return s, nil
}

// unpolled takes a socket away from Go's poller: closes this descriptor of it, and returns another one that blocks.
func unpolled(c *net.UDPConn) (*os.File, error) {
	defer func() { _ = c.Close() }() // nothing is buffered in it
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if control := raw.Control(func(polled uintptr) {
		fd, err = unix.FcntlInt(polled, unix.F_DUPFD_CLOEXEC, 0)
	}); control != nil {
		return nil, control
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	return os.NewFile(uintptr(fd), "udp"), os.NewSyscallError("fcntl", err)
}

// rawUDP is what package ipv4 knows a UDP socket by.
type rawUDP struct {
	*net.UDPConn // closed
	raw          syscall.RawConn
}

func (c rawUDP) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }

// Close wakes the reader up, too.
func (s *udpSocket) Close() error {
	s.closed.Store(true)
	// A socket that nothing is connected to says that it is not, and wakes whoever waits at it all the same.
	_ = s.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	return s.file.Close()
}

// poll looks whether there is a datagram to be read, and goes on looking for so long.
func (s *udpSocket) poll(patience time.Duration) {
	_ = s.raw.Read(func(fd uintptr) bool {
		look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for began := time.Now(); time.Since(began) < patience; {
			if n, err := unix.Poll(look, 0); n > 0 || err != nil {
				break
			}
		}
		return true
	}) // a socket that is closed will say so to the next who reads
}
