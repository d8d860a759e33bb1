// SPDX-License-Identifier: MIT

package capture_test

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// random is a run of several sessions and datagrams, all at once, such as the simulator can give: what one end sends in
// answer to the other comes no sooner than the latency of the network, what both send by themselves comes at any time.
func random(seed uint64) []trace.Frame {
	r := rand.New(rand.NewPCG(seed, 0))
	s := script{{From: at(pc, 137), To: at(everybody, 137), Broadcast: true, Payload: []byte("first")}}
	nodes := []netip.Addr{pc, peer, third}
	// Few distinct times, so that much happens at the same one.
	after := func(t time.Duration, steps int) time.Duration { return t + time.Duration(r.IntN(steps))*5*us }

	for conn := 1; conn <= 1+r.IntN(6); conn++ {
		client := r.IntN(3)
		server := (client + 1 + r.IntN(2)) % 3
		session(r, &s, after, line{conn, at(nodes[client], uint16(1024+conn)), at(nodes[server], 139)})
	}
	for range r.IntN(10) {
		from, to := at(nodes[r.IntN(3)], 138), at(nodes[r.IntN(3)], 138)
		s.datagram(after(0, 1000), from, to, string(message(r.IntN(600))))
	}
	frames := inTime(s)
	numberConnections(frames)
	return frames
}

// session adds the frames of one connection.
func session(r *rand.Rand, s *script, after func(time.Duration, int) time.Duration, l line) {
	t := after(0, 200)
	s.event(t, trace.Connect, l)
	t += latency
	if r.IntN(5) == 0 {
		s.event(t, trace.Refuse, l.back())
		return
	}
	for _, side := range []line{l, l.back()} {
		t := after(t, 3)
		for range r.IntN(5) {
			n := r.IntN(200)
			if r.IntN(8) == 0 {
				n = r.IntN(0x20000)
			}
			s.event(t, trace.Message, side, message(n)...)
			t = after(t, 30)
		}
		switch r.IntN(4) {
		case 0:
			s.event(t, trace.Reset, side)
		case 1, 2:
			s.event(t, trace.Fin, side)
		}
	}
}

// numberConnections gives the connections the numbers of the order in which they appear.
func numberConnections(frames []trace.Frame) {
	numbers := make(map[int]int)
	for i := range frames {
		old := frames[i].Conn
		if old == 0 {
			continue
		}
		if numbers[old] == 0 {
			numbers[old] = len(numbers) + 1
		}
		frames[i].Conn = numbers[old]
	}
}
