// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/peers"
)

// What is measured, and how much of it. The two servers take turns, so that whatever else the machine does hits both.
const (
	benchRounds   = 7
	benchInFlight = 16
	benchQueries  = 20_000 // of a round with 16 in flight
	benchSingles  = 4_000  // of a round with one
)

// BenchmarkLive holds serve against nmbd: name queries a second with 16 in flight, and the median time of an answer with one,
// by the same client over the same path. Then it asks serve a million times, and looks at its memory.
func BenchmarkLive(b *testing.B) {
	lan, err := peers.Up(3)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := lan.Down(); err != nil {
			b.Error(err)
		}
	}()
	samba, err := lan.Host(1).Samba("BENCH", "log level = 0")
	if err != nil {
		b.Fatal(err)
	}
	daemon, err := samba.Nmbd()
	if err != nil {
		b.Fatal(err)
	}
	serve, err := lan.Host(2).Start(build(b), "serve", "--addr", lan.Host(2).Prefix().String(), "--name", "SERVED<00>")
	if err != nil {
		b.Fatal(err)
	}
	// A socket that blocks: Go's own sockets take longer to wake up than the servers to answer.
	var conn int
	if err := lan.Host(3).In(func() (err error) {
		conn, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		return errors.Join(err, unix.SetsockoptTimeval(conn, unix.SOL_SOCKET, unix.SO_RCVTIMEO,
			&unix.Timeval{Usec: patience.Microseconds()}))
	}); err != nil {
		b.Fatal(err)
	}
	nmbd, ours := newServer(b, conn, daemon, lan.Host(1), "BENCH<00>"), newServer(b, conn, serve, lan.Host(2), "SERVED<00>")
	nmbd.wait(b)
	ours.wait(b)
	time.Sleep(10 * time.Second) // nmbd goes on registering

	for b.Loop() {
		for range benchRounds {
			for _, s := range []*server{nmbd, ours} {
				before := s.worked(b)
				s.rates = append(s.rates, s.rate(b, benchQueries))
				s.work = append(s.work, (s.worked(b)-before)/benchQueries)
				median, quick := s.times(b, benchSingles)
				s.medians, s.quick = append(s.medians, median), append(s.quick, quick)
			}
		}
		before := resident(b, serve.Pid())
		for range 50 {
			ours.rate(b, benchQueries)
		}
		after := resident(b, serve.Pid())
		rate := ratiosOf(ours.rates, nmbd.rates)
		answer := ratiosOf(ours.medians, nmbd.medians)
		fmt.Printf("\n%d in flight: serve %.0f queries/s, nmbd %.0f: ratio %s (want 2 or more)\n",
			benchInFlight, middle(ours.rates), middle(nmbd.rates), rate)
		fmt.Printf("processor time of a query then: serve %.1f us, nmbd %.1f us: ratio %s\n",
			middle(ours.work)*1e6, middle(nmbd.work)*1e6, ratiosOf(ours.work, nmbd.work))
		fmt.Printf("one in flight: serve answers in %.1f us, nmbd in %.1f us (medians): ratio %s (want 0.6 or less)\n",
			middle(ours.medians)*1e6, middle(nmbd.medians)*1e6, answer)
		fmt.Printf("the quickest tenth: %.1f us and %.1f us: ratio %s\n",
			middle(ours.quick)*1e6, middle(nmbd.quick)*1e6, ratiosOf(ours.quick, nmbd.quick))
		fmt.Printf("resident memory of serve before and after a million queries: %d KiB, %d KiB\n", before, after)
		b.ReportMetric(middle(rate), "rate-ratio")
		b.ReportMetric(middle(answer), "latency-ratio")
		b.ReportMetric(float64(after-before), "KiB-grown")
	}
}

// build builds the command.
func build(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "nbtlab")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/nbtlab").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return path
}

func bytesOf(text string) netbios.Name {
	n, err := netbios.ParseName(text)
	if err != nil {
		panic(err)
	}
	return n
}

// server is one that is asked.
type server struct {
	conn                        int
	to                          netip.AddrPort
	process                     *peers.Process
	sockaddr                    unix.SockaddrInet4
	name                        netbios.Name
	query                       []byte
	id                          uint16
	rates, work, medians, quick []float64 // of each round
}

// newServer makes the query once: what asks must not take longer than what answers.
func newServer(b *testing.B, conn int, process *peers.Process, at *peers.Host, name string) *server {
	b.Helper()
	s := &server{
		conn: conn, process: process, to: netip.AddrPortFrom(at.Addr, 137), sockaddr: unix.SockaddrInet4{Port: 137, Addr: at.Addr.As4()},
		name: bytesOf(name),
	}
	var err error
	if s.query, err = nbt.UnicastQuery(0, s.name).AppendBinary(nil); err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *server) ask(b *testing.B) {
	s.id++
	binary.BigEndian.PutUint16(s.query, s.id)
	if err := unix.Sendto(s.conn, s.query, 0, &s.sockaddr); err != nil {
		b.Fatal(err)
	}
}

// patience is how long an answer is waited for.
const patience = 200 * time.Millisecond

// answer waits for an answer.
func (s *server) answer() bool {
	var buf [600]byte
	for {
		n, from, err := unix.Recvfrom(s.conn, buf[:], 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return false
		}
		if at, ok := from.(*unix.SockaddrInet4); ok && at.Addr == s.to.Addr().As4() && n > 12 && buf[2]&0x80 != 0 {
			return true
		}
	}
}

func (s *server) wait(b *testing.B) {
	for range 60 {
		if s.ask(b); s.answer() {
			return
		}
	}
	b.Fatalf("%s does not answer for %s", s.to, s.name)
}

// rate is how many queries a second are answered with so many in flight.
func (s *server) rate(b *testing.B, queries int) float64 {
	began, asked, lost := time.Now(), 0, 0
	for ; asked < benchInFlight; asked++ {
		s.ask(b)
	}
	for answered := 0; answered+lost < queries; {
		if s.answer() {
			answered++
		} else {
			lost += benchInFlight // whatever was under way
			for range benchInFlight - 1 {
				s.ask(b)
			}
		}
		if asked < queries {
			s.ask(b)
			asked++
		}
	}
	if lost > queries/100 {
		b.Logf("%s: %d of %d queries lost", s.to, lost, queries)
	}
	return float64(queries-lost) / time.Since(began).Seconds()
}

// times are those of an answer in seconds, with one query in flight: the median, and what the quickest tenth take at most,
// which waited for nobody else on a busy machine.
func (s *server) times(b *testing.B, queries int) (median, quick float64) {
	times := make([]float64, 0, queries)
	for range queries {
		began := time.Now()
		s.ask(b)
		if s.answer() {
			times = append(times, time.Since(began).Seconds())
		}
	}
	slices.Sort(times)
	if len(times) == 0 {
		b.Fatalf("%s does not answer any more", s.to)
	}
	return times[len(times)/2], times[len(times)/10]
}

// worked is the processor time that the server has taken, in seconds.
func (s *server) worked(b *testing.B) float64 {
	took, err := s.process.Worked()
	if err != nil {
		b.Fatal(err)
	}
	return took.Seconds()
}

// ratios are those of one list of measurements to another, pair by pair: what else the machine did hit both of a pair.
type ratios []float64

func ratiosOf(ours, theirs []float64) ratios {
	list := make(ratios, len(ours))
	for i := range list {
		list[i] = ours[i] / theirs[i]
	}
	return list
}

func (r ratios) String() string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", middle(r), slices.Min(r), slices.Max(r))
}

func middle(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// resident is the memory that a process has, in KiB.
func resident(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(text, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}
