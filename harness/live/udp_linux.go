// SPDX-License-Identifier: MIT

package live

import (
	"errors"
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
	full    bool // the last datagram found no room, and waiting did not help
}

// roomIn is how long a datagram waits for room. A network that takes what it is given has made some by then, even a slow one.
const roomIn = 50 * time.Millisecond

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

// write sends datagrams, and returns how many have gone. What has been sent to a host that is not there takes up room for the
// three seconds in which the kernel looks for it, and whoever sends waits for the stacks: it waits a little, and when that has not
// helped, not again before there has been room.
//
// What a full interface drops is not told of: it would be with IP_RECVERR, but then a host that listens at no port would have what
// is sent next, to whomever, fail with the refusal of what was sent before.
func (s *udpSocket) write(out []ipv4.Message) (int, error) {
	n, err := s.batches.WriteBatch(out, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) && !s.full {
		s.awaitRoom()
		n, err = s.batches.WriteBatch(out, unix.MSG_DONTWAIT)
	}
	s.full = errors.Is(err, unix.EAGAIN)
	return n, err
}

func (s *udpSocket) awaitRoom() {
	_ = s.raw.Control(func(fd uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(roomIn.Milliseconds()))
	}) // whether there is room will be seen
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
