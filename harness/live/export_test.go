// SPDX-License-Identifier: MIT

package live

import (
	"net/netip"
	"runtime"

	"github.com/nbtlab/nbtlab/harness/stack"
)

// Overtake has two datagrams of one socket arrive at the first stack of a LAN that runs: the first while somebody else has
// the stacks, so that it is queued, the second as they are let go and the first has been taken out of the queue.
func Overtake(l *LAN, first, second []byte) {
	from := netip.AddrPortFrom(l.hosts[0].prefix.Addr().Next(), stack.NamePort)
	l.turn.Lock()
	l.handOver([]arrival{{port: stack.NamePort, from: from, payload: first}}, &l.names)
	for len(l.names.arrivals) > 0 { // whoever takes it may have to have the stacks before
		l.turn.Unlock()
		runtime.Gosched()
		l.turn.Lock()
	}
	l.turn.Unlock()
	l.handOver([]arrival{{port: stack.NamePort, from: from, payload: second}}, &l.names)
}
