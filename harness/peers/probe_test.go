// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/peers"
)

// The tables that a probe of a real stack must come to are in harness/probe/testdata. To record them again, and then review
// the difference: NBTLAB_UPDATE=1 make test-peers ARGS='--focus=probe'.
const tables = "../probe/testdata"

// tolerated is what is not compared of what a probe has seen, and what stands there instead.
var tolerated = []struct {
	what    string
	is      *regexp.Regexp
	becomes string
}{
	{"packets, which depend on repetitions", regexp.MustCompile(`\d+ packets, all`), "# packets, all"},
	{"how many of the malformed packets were answered, or how their connections ended", regexp.MustCompile(`(\d+ answers, the first: .*|\d+ answered; \d+ closed, \d+ reset, \d+ left open)$`), "#"},
}

// stall is what a table says of a stack that did not answer for a while.
var stall = regexp.MustCompile(`(?m) it fell silent; .*; it came back after [0-9.]+m?s$`)

// probed probes a host, with everything there is, and returns its table and the exit status.
func probed(from, target *peers.Host, args ...string) (table string, code int) {
	GinkgoHelper()
	pcap := filepath.Join(GinkgoT().TempDir(), "probe.pcap")
	r := on(from, nbtlab, append([]string{"probe", target.Addr.String(), "--intrusive", "--json", "--pcap", pcap}, args...)...)
	Expect(r.Stderr).To(BeEmpty())
	var text strings.Builder
	for line := range strings.Lines(r.Stdout) {
		var x struct{ Check, Expected, Seen, Verdict, After string }
		Expect(json.Unmarshal([]byte(line), &x)).To(Succeed())
		if x.Check == "" {
			continue // the line about the target
		}
		for _, t := range tolerated {
			x.Seen = t.is.ReplaceAllString(x.Seen, t.becomes)
		}
		fmt.Fprintf(&text, "%-22s  %-9s  %s\n", x.Check, x.Verdict, strings.TrimSpace(x.Seen+" "+x.After))
	}
	c, err := capture.ReadFile(pcap)
	Expect(err).NotTo(HaveOccurred())
	Expect(c.Cut).To(BeNil())
	for _, f := range c.Frames {
		Expect(f.Broadcast).To(BeFalse())
		if f.From.Addr() == from.Addr {
			Expect(f.To.Addr()).To(Equal(target.Addr), "it sends to the target alone")
		}
	}
	return text.String(), r.Code
}

// matchTable compares a table with the one that is recorded for a target.
func matchTable(target, how, table string) {
	GinkgoHelper()
	var head strings.Builder
	head.WriteString("# " + how + ".\n#\n# Not compared, beside frame numbers and times:\n")
	for _, t := range tolerated {
		head.WriteString("# - " + t.what + ": " + t.becomes + "\n")
	}
	if strings.HasPrefix(target, "nmbd") {
		head.WriteString("# - that it stalled for some seconds, as nmbd does on a busy machine\n")
		table = stall.ReplaceAllString(table, "")
	}
	path := filepath.Join(tables, target+".txt")
	if os.Getenv("NBTLAB_UPDATE") != "" {
		Expect(os.WriteFile(path, []byte(head.String()+"\n"+table), 0o644)).To(Succeed())
	}
	recorded, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	// Only what differs is shown, or the message would be cut.
	is, was := strings.Split(head.String()+"\n"+table, "\n"), strings.Split(string(recorded), "\n")
	var differences []string
	for i := range max(len(is), len(was)) {
		if i >= len(is) || i >= len(was) || is[i] != was[i] {
			differences = append(differences, "was "+strings.Join(was[min(i, len(was)):min(i+1, len(was))], ""),
				"is  "+strings.Join(is[min(i, len(is)):min(i+1, len(is))], ""))
		}
	}
	Expect(differences).To(BeEmpty())
}

// defended waits until a target defends its names: until then nmbd is still registering them.
func defended(from, target *peers.Host) {
	GinkgoHelper()
	Eventually(func() int {
		return on(from, nbtlab, "probe", target.Addr.String(), "--only", "defend,defend-group").Code
	}).WithTimeout(60 * time.Second).WithPolling(time.Second).Should(BeZero())
}

var _ = Describe("A probe", func() {
	It("of nmbd as a B node comes to the table that is recorded", func() {
		lan := newLAN(2)
		_, err := samba(lan.Host(1), "REALB", "netbios aliases = ALIAS1").Nmbd()
		Expect(err).NotTo(HaveOccurred())
		defended(lan.Host(2), lan.Host(1))
		table, code := probed(lan.Host(2), lan.Host(1))
		Expect(code).To(Equal(1), table)
		matchTable("nmbd-b-node", "nmbd 4.17 as a B node, without smbd", table)
	})

	It("of nmbd as a name server, with smbd beside it, comes to the table that is recorded", func() {
		lan := newLAN(2)
		s := samba(lan.Host(1), "REALWINS", "wins support = yes")
		_, err := s.Nmbd()
		Expect(err).NotTo(HaveOccurred())
		_, err = s.Smbd()
		Expect(err).NotTo(HaveOccurred())
		defended(lan.Host(2), lan.Host(1))
		table, code := probed(lan.Host(2), lan.Host(1), "--wait", "2s") // smbd takes its time on a busy machine
		Expect(code).To(Equal(1), table)
		matchTable("nmbd-name-server", "nmbd 4.17 as a name server, with smbd", table)
	})

	// served returns the table of a node of ours.
	served := func(model string) (string, int) {
		GinkgoHelper()
		lan := newLAN(2)
		p := start(lan.Host(1), nbtlab, "serve", "--addr", "10.77.0.1/24", "--name", "CHAT", "--listen", "CHAT", "--group", "TEAM<1e>", "--model", model)
		Eventually(p.Output).WithTimeout(30 * time.Second).Should(ContainSubstring("TEAM<1e> registered"))
		return probed(lan.Host(2), lan.Host(1), "--wait", "2s") // so that a busy machine does not matter
	}

	It("of serve --model fixed finds nothing wrong", func() {
		table, code := served("fixed")
		Expect(code).To(BeZero(), table)
		matchTable("serve-fixed", "nbtlab serve --model fixed, listening", table)
	})

	// What shows the others is a command at the node itself, such as a DELETE NAME, which no probe can give.
	for _, f := range fault.All() {
		It("of serve --model "+f.ID+" tells it from the fixed one, if anything can be seen from outside", Label(f.ID), func() {
			table, code := served(f.ID)
			if f.ID == "MS00-047" {
				Expect(code).To(Equal(1), table)
				matchTable("serve-"+f.ID, "nbtlab serve --model "+f.ID+", listening", table)
				return
			}
			Expect(code).To(BeZero(), table)
			matchTable("serve-fixed", "nbtlab serve --model fixed, listening", table)
		})
	}

	It("tells of a stack that falls silent while its host is there, and comes back", func() {
		lan := newLAN(2)
		record := filepath.Join(lan.Dir(), "serve.pcap")
		p := start(lan.Host(1), nbtlab, "serve", "--addr", "10.77.0.1/24", "--name", "CHAT", "--pcap", record)
		Eventually(p.Output).WithTimeout(30 * time.Second).Should(ContainSubstring("CHAT<20> registered"))
		probing := start(lan.Host(2), nbtlab, "probe", "10.77.0.1", "--wait", "500ms")
		Eventually(func() string { // once the probe has got its first answers
			b, err := os.ReadFile(record)
			Expect(err).NotTo(HaveOccurred())
			return string(b)
		}).WithTimeout(30 * time.Second).Should(ContainSubstring("FAFCEPECEF")) // PROBE of NBTLABPROBE, as it is encoded
		Expect(p.Signal(syscall.SIGSTOP)).To(Succeed())
		Consistently(probing.Done()).WithTimeout(5 * time.Second).ShouldNot(BeClosed())
		Expect(p.Signal(syscall.SIGCONT)).To(Succeed())
		Eventually(probing.Done()).WithTimeout(60 * time.Second).Should(BeClosed())
		Expect(probing.Output()).To(MatchRegexp(`it fell silent; the host is there \(it accepts connections on TCP port 139\); it came back after \d+(\.\d)?s`))
		Expect(probing.Code()).To(Equal(1))
	})

	It("asks from the well-known ports when it is told to, and says who has them when it cannot", func() {
		lan := newLAN(2)
		p := start(lan.Host(1), nbtlab, "serve", "--addr", "10.77.0.1/24", "--name", "CHAT")
		Eventually(p.Output).WithTimeout(30 * time.Second).Should(ContainSubstring("CHAT<20> registered"))
		record := filepath.Join(lan.Dir(), "probe.pcap")
		args := []string{"probe", "10.77.0.1", "--well-known-ports", "--only", "query,datagram-unheld", "--pcap", record}
		Expect(on(lan.Host(2), nbtlab, args...).Code).To(BeZero())
		c, err := capture.ReadFile(record)
		Expect(err).NotTo(HaveOccurred())
		for _, f := range c.Frames {
			Expect(f.From.Port()).To(Equal(f.To.Port()))
		}

		other := start(lan.Host(2), nbtlab, "serve", "--addr", "10.77.0.2/24")
		Eventually(other.Output).WithTimeout(30 * time.Second).Should(ContainSubstring("serving"))
		r := on(lan.Host(2), nbtlab, args...)
		Expect(r.Code).To(Equal(2))
		Expect(r.Stderr).To(MatchRegexp(`UDP port 137 of 10\.77\.0\.2 is taken by nbtlab \(process \d+\)`))
	})

	It("knows a host that says nothing but where it is from one that is not there", func() {
		lan := newLAN(2)
		// Host 1 hears everything, and sends nothing back but answers to ARP.
		Expect(on(lan.Host(1), "ip", "route", "add", "blackhole", "10.77.0.2/32").Code).To(BeZero())
		r := on(lan.Host(2), nbtlab, "probe", "10.77.0.1", "--wait", "100ms")
		Expect(r.Code).To(Equal(125))
		Expect(r.Stdout).To(ContainSubstring("cannot judge: nothing came from 10.77.0.1; the host is there: it answers ARP"))

		r = on(lan.Host(2), nbtlab, "probe", "10.77.0.77", "--wait", "100ms")
		Expect(r.Code).To(Equal(125))
		Expect(r.Stdout).To(ContainSubstring("nothing came from 10.77.0.77; nothing shows that the host is there"))
	})
})
