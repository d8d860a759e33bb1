// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/peers"
)

// How long serve is under fire: NBTLAB_FIRE=10m make test-peers ARGS=--focus=fire takes the ten minutes that are promised.
func fireTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("NBTLAB_FIRE")); err == nil {
		return d
	}
	return 15 * time.Second
}

// What serve may use.
const (
	mostResident = 64 << 10 // KiB
	idleSessions = 10_000
)

var _ = Describe("serve under fire (bad-input 21, 22, 23, 28)", Serial, func() {
	It("keeps answering, loses no name, stays small, leaks nothing, and tells what it refused", func() {
		lan := newLAN(3)
		target := lan.Host(1)
		device := start(target, nbtlab, "--json", "serve", "--addr", target.Prefix().String(), "--wins",
			"--name", "CHAT", "--name", "OTHER<00>", "--group", "TEAM<1e>", "--listen", "CHAT")
		Eventually(device.Output).WithTimeout(10 * time.Second).Should(ContainSubstring(`"TEAM<1e>"`))
		client := samba(lan.Host(2), "CLIENT")
		table := nodeStatus(client, lan.Host(2), target)
		Expect(table).To(And(ContainSubstring("CHAT            <20>"), ContainSubstring("OTHER           <00>"), ContainSubstring("TEAM            <1e>")))
		descriptors := openFiles(device)

		stop := make(chan struct{})
		var fire sync.WaitGroup
		var sent, opened atomic.Uint64
		fire.Go(func() { defer GinkgoRecover(); flood(lan.Host(2), target, stop, &sent) })
		fire.Go(func() { defer GinkgoRecover(); flood(lan.Host(3), target, stop, &sent) })
		fire.Go(func() { defer GinkgoRecover(); idle(lan.Host(3), target, stop, &opened) })
		most, answered, asked := 0, 0, 0
		for end := time.Now().Add(fireTime()); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
			most = max(most, resident(GinkgoTB(), device.Pid()))
			Expect(device.Done()).NotTo(BeClosed(), device.Output())
			if asked++; strings.Contains(nodeStatus(client, lan.Host(2), target), "CHAT            <20>") {
				answered++
			}
		}
		close(stop)
		fire.Wait()

		// Then all is as it was.
		Eventually(func() string { return nodeStatus(client, lan.Host(2), target) }).WithTimeout(10 * time.Second).Should(Equal(table))
		Eventually(func() int { return openFiles(device) }).WithTimeout(60*time.Second).WithPolling(time.Second).
			Should(BeNumerically("<=", descriptors+2), "connections that are over leave no descriptor")
		code, err := device.Stop()
		Expect(err).NotTo(HaveOccurred())
		Expect(code).To(BeZero(), device.Output())
		text := strings.TrimSpace(device.Output())
		last := text[strings.LastIndex(text, "\n")+1:]
		var ended struct {
			Counters map[string]uint64 `json:"counters"`
		}
		Expect(json.Unmarshal([]byte(last), &ended)).To(Succeed(), last)
		GinkgoWriter.Printf("%s: %d packets sent, %d connections opened; at most %d KiB resident; %d of %d node status requests answered meanwhile; %s\n",
			fireTime(), sent.Load(), opened.Load(), most, answered, asked, last)
		Expect(most).To(BeNumerically("<", mostResident), "KiB resident")
		Expect(answered).To(BeNumerically(">", 0))
		Expect(ended.Counters["received"]).To(BeNumerically(">", 1000))
		Expect(ended.Counters["streams_refused"] + ended.Counters["accepted"]).To(BeNumerically(">", 512))
	})
})

func openFiles(p *peers.Process) int {
	GinkgoHelper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid()))
	Expect(err).NotTo(HaveOccurred())
	return len(list)
}

// flood sends valid, malformed and random packets to the ports of the name and the datagram service as fast as it can.
func flood(from, to *peers.Host, stop <-chan struct{}, sent *atomic.Uint64) {
	var conn *net.UDPConn
	Expect(from.In(func() (err error) {
		conn, err = net.ListenUDP("udp4", nil)
		return err
	})).To(Succeed())
	defer func() { _ = conn.Close() }()
	random := rand.New(rand.NewSource(GinkgoRandomSeed()))
	targets := []*net.UDPAddr{{IP: to.Addr.AsSlice(), Port: 137}, {IP: to.Addr.AsSlice(), Port: 138}}
	for n := 0; ; n++ {
		if n%64 == 0 {
			select {
			case <-stop:
				return
			default:
			}
		}
		b := ammunition(random, from)
		if _, err := conn.WriteToUDP(b, targets[n%2]); err == nil {
			sent.Add(1)
		}
	}
}

// ammunition is a packet: of the registrations, queries and datagrams that there are, whole, cut or altered, or noise.
func ammunition(random *rand.Rand, from *peers.Host) []byte {
	name, err := netbios.MakeName(fmt.Sprintf("N%d", random.Intn(100_000)), 0x20)
	Expect(err).NotTo(HaveOccurred())
	id := uint16(random.Uint32())
	var b []byte
	switch random.Intn(7) {
	case 0:
		b, err = nbt.Query(id, name).AppendBinary(nil)
	case 1:
		b, err = nbt.Claim(id, name, 0, from.Addr).AppendBinary(nil)
	case 2:
		m := nbt.Claim(id, name, 0, from.Addr)
		m.Flags &^= nbt.FlagB // for the name server
		b, err = m.AppendBinary(nil)
	case 3:
		b, err = nbt.StatusRequest(id, netbios.Wildcard).AppendBinary(nil)
	case 4:
		b, err = nbt.ConflictDemand(id, bytesOf("CHAT"), 0).AppendBinary(nil)
	case 5:
		b, err = nbt.ReleaseDemand(id, bytesOf("CHAT"), 0, from.Addr).AppendBinary(nil)
	case 6:
		b = make([]byte, random.Intn(1400))
		_, _ = random.Read(b)
	}
	Expect(err).NotTo(HaveOccurred())
	switch random.Intn(4) {
	case 0:
		b = b[:random.Intn(len(b)+1)]
	case 1:
		if len(b) > 0 {
			b[random.Intn(len(b))] ^= byte(1 + random.Intn(255))
		}
	}
	return b
}

// idle opens connections that say nothing, or a byte, and keeps them.
func idle(from, to *peers.Host, stop <-chan struct{}, opened *atomic.Uint64) {
	var kept []net.Conn
	defer func() {
		for _, c := range kept {
			_ = c.Close()
		}
	}()
	for range idleSessions {
		select {
		case <-stop:
			return
		default:
		}
		err := from.In(func() error {
			c, err := net.DialTimeout("tcp4", net.JoinHostPort(to.Addr.String(), "139"), time.Second)
			if err == nil {
				kept = append(kept, c)
			}
			return err
		})
		if err != nil {
			continue // refused: there are too many
		}
		opened.Add(1)
		if len(kept)%2 == 0 {
			_, _ = kept[len(kept)-1].Write([]byte{0x81})
		}
		if len(kept) > 900 { // one process has only so many descriptors
			_ = kept[0].Close()
			kept = kept[1:]
		}
	}
	<-stop
}
