// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/peers"
)

var _ = Describe("A private LAN", func() {
	It("joins its hosts, has no way out, and leaves nothing behind", func() {
		lan, err := peers.Up(2)
		Expect(err).NotTo(HaveOccurred())
		one, two := lan.Host(1), lan.Host(2)
		tag := filepath.Base(lan.Dir())

		var listener, sender net.PacketConn
		Expect(one.In(func() (err error) {
			listener, err = net.ListenPacket("udp4", "10.77.0.1:137")
			return err
		})).To(Succeed())
		Expect(two.In(func() (err error) {
			sender, err = net.ListenPacket("udp4", "10.77.0.2:0")
			return err
		})).To(Succeed())
		_, err = sender.WriteTo([]byte("hello"), listener.LocalAddr())
		Expect(err).NotTo(HaveOccurred())
		Expect(listener.SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
		b := make([]byte, 10)
		n, from, err := listener.ReadFrom(b)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(b[:n])).To(Equal("hello"))
		Expect(from.String()).To(HavePrefix("10.77.0.2:"))
		_, err = sender.WriteTo([]byte("out"), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9})
		Expect(err).To(MatchError(ContainSubstring("network is unreachable")))
		Expect(listener.Close()).To(Succeed())
		Expect(sender.Close()).To(Succeed())

		p := start(one, "sleep", "600")
		child := start(two, "sh", "-c", "sleep 601 & echo $!; wait")
		Eventually(child.Output).WithTimeout(5 * time.Second).Should(MatchRegexp(`\d+\n`))
		Expect(lan.Down()).To(Succeed())
		Expect(p.Done()).To(BeClosed())
		Expect(namespaces()).NotTo(ContainSubstring(strconv.Itoa(os.Getpid()) + "-1-h"))
		Expect(filepath.Join(os.TempDir(), tag)).NotTo(BeADirectory())
		pid := child.Output()[:len(child.Output())-1]
		Eventually(func() bool { return running(pid) }).WithTimeout(5 * time.Second).Should(BeFalse())
	})

	It("runs two Sambas that do not hear of each other but over the wire", func() {
		lan := newLAN(3)
		for i, name := range []string{"ALPHA", "BRAVO"} {
			_, err := samba(lan.Host(i+1), name).Nmbd()
			Expect(err).NotTo(HaveOccurred())
		}
		client := samba(lan.Host(3), "CLIENT")
		status := func(of int) func() string {
			return func() string { return nodeStatus(client, lan.Host(3), lan.Host(of)) }
		}
		Eventually(status(1)).WithTimeout(30 * time.Second).WithPolling(time.Second).Should(ContainSubstring("ALPHA           <20>"))
		Eventually(status(2)).WithTimeout(30 * time.Second).WithPolling(time.Second).Should(ContainSubstring("BRAVO           <20>"))
	})
})

var zombie = regexp.MustCompile(`\) [ZX] `)

// running tells whether a process exists and is more than a record of how it ended.
func running(pid string) bool {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !zombie.Match(b)
}
