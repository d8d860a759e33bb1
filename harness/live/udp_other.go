// SPDX-License-Identifier: MIT

//go:build !linux

package live

import (
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

const waitForOne = 0

// udpSocket is a socket of Go's poller. Batches are of one datagram here.
type udpSocket struct {
	*net.UDPConn
	batches *ipv4.PacketConn
	closed  atomic.Bool
}

func newUDPSocket(c *net.UDPConn) (*udpSocket, error) {
	return &udpSocket{UDPConn: c, batches: ipv4.NewPacketConn(c)}, nil
}

// Close wakes the reader up, too.
func (s *udpSocket) Close() error {
	s.closed.Store(true)
	return s.UDPConn.Close()
}

func (s *udpSocket) write(out []ipv4.Message) (int, error) { return s.batches.WriteBatch(out, 0) }

func (*udpSocket) poll(time.Duration) {}
