// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/nbtlab/nbtlab/harness/peers"
)

// fate is what becomes of an IPv4 frame, the n-th that a host sends: how often it is delivered, and how much later.
type fate func(n int) (times int, late time.Duration)

// throughSwitch has two hosts of a LAN reach each other by way of a switch that mistreats their frames, until it is told to
// end, and tells how many there were: both ends of a cable that were in the bridge are read and written here. A kernel may have no netem; and this one does to
// a frame what it is told, whichever that is.
func throughSwitch(lan *peers.LAN, what fate) (end func() int) {
	GinkgoHelper()
	over := make(chan struct{})
	var carriers sync.WaitGroup
	var carried atomic.Int64
	ports := make([]int, 2)
	Expect(lan.Unplug(func(interfaces []int) error {
		for i := range ports {
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(bigEndian(unix.ETH_P_ALL)))
			if err != nil {
				return err
			}
			ports[i] = fd
			if err := errors.Join(
				unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: interfaces[i]}),
				unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
				unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
			); err != nil {
				return err
			}
		}
		return nil
	})).To(Succeed())
	for i, from := range ports {
		to := ports[1-i]
		carriers.Go(func() {
			buf := make([]byte, 1<<16)
			for n := 0; ; {
				select {
				case <-over:
					return
				default:
				}
				size, _, err := unix.Recvfrom(from, buf, 0)
				if err != nil || size < 14 {
					continue // nothing has come
				}
				times, late := 1, time.Duration(0)
				if buf[12] == 8 && buf[13] == 0 { // IPv4: addresses are found as ever
					n++
					carried.Add(1)
					times, late = what(n)
				}
				frame := append([]byte(nil), buf[:size]...)
				send := func() {
					for range times {
						_, _ = unix.Write(to, frame) // a cable promises nothing
					}
				}
				if late == 0 {
					send()
					continue
				}
				carriers.Go(func() {
					<-time.After(late)
					send()
				})
			}
		})
	}
	return func() int {
		close(over)
		carriers.Wait()
		for _, fd := range ports {
			_ = unix.Close(fd)
		}
		return int(carried.Load())
	}
}

func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }

var _ = Describe("A network that mistreats frames", Label("Q124565"), func() {
	DescribeTable("does not turn the verdict on a real device around (bad-input 29)", func(what fate, disturbed bool, names ...string) {
		var runs sync.WaitGroup
		for _, name := range names {
			for fault, usual := range map[string]int{"fixed": 0, "Q124565": 1} {
				runs.Go(func() {
					defer GinkgoRecover()
					lan, err := peers.Up(2)
					Expect(err).NotTo(HaveOccurred())
					defer func() { Expect(lan.Down()).To(Succeed()) }()
					end := throughSwitch(lan, what)
					r := on(lan.Host(2), nbtlab, "run", name, "--dut", "pc="+lan.Host(1).Addr.String(), "--agent", fmt.Sprintf(
						"pc=ip netns exec %s %s serve --addr %s --model %s --agent", lan.Host(1).Name(), nbtlab, lan.Host(1).Prefix(), fault))
					Expect(end()).To(BeNumerically(">", 20), "frames")
					if disturbed && r.Code == 125 {
						Expect(r.Stdout).To(Or(ContainSubstring("does not deliver each frame once"), ContainSubstring("is silent"),
							ContainSubstring("the trigger was not delivered")))
						return
					}
					Expect(r.Code).To(Equal(usual), "%s on %s: %s%s", name, fault, r.Stdout, r.Stderr)
				})
			}
		}
		runs.Wait()
	},
		// Nobody here can tell a frame that was sent twice from one delivered twice, or not sent from lost: then there is no verdict.
		Entry("when it delivers each twice", func(int) (int, time.Duration) { return 2, 0 }, true, "q124565", "q124565-table"),
		Entry("when it loses every third", func(n int) (int, time.Duration) { return min(1, n%3), 0 }, true, "q124565", "q124565-table"),
		Entry("when it delivers each late", func(int) (int, time.Duration) { return 1, 80 * time.Millisecond }, false, "q124565", "q124565-table"),
		Entry("when it delivers every other one behind the next", func(n int) (int, time.Duration) {
			return 1, time.Duration(n%2) * 40 * time.Millisecond
		}, false, "q124565", "q124565-table"),
	)
})
