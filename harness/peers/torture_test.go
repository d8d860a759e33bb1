// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"regexp"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/peers"
)

// Samba's own tests of its name service, put to serve. Each runs in a process of its own, so that its exit status and what
// it prints are about it alone. The bench tests assert nothing, and count for nothing.
var tortures = []string{"nbt.register.register_own", "nbt.register.refresh_own", "nbt.wins.wins"}

// torture runs one of smbtorture's tests on host 2 against the name WANTED<20>, and returns whether it passes and what it
// prints.
func torture(from *peers.Samba, at *peers.Host, test string) (passes bool, said string) {
	GinkgoHelper()
	r := on(at, "smbtorture", "-s", from.Conf, "-d0", "--option=interfaces="+at.Prefix().String(),
		"--option=torture:progress=no", "--option=name resolve order=bcast", "-W", peers.Workgroup, "-U%", "//WANTED/share", test)
	passes = regexp.MustCompile(`(?m)^success: `).MatchString(r.Stdout)
	Expect(passes).To(Equal(r.Code == 0), "smbtorture exits with %d and prints\n%s%s", r.Code, r.Stdout, r.Stderr)
	return passes, r.Stdout + r.Stderr
}

// wanted waits until WANTED<20> is found by broadcast, as smbtorture will look for it.
func wanted(from *peers.Samba, at *peers.Host) {
	GinkgoHelper()
	Eventually(func() int { return on(at, "nmblookup", "-s", from.Conf, "WANTED#20").Code }).
		WithTimeout(30 * time.Second).WithPolling(200 * time.Millisecond).Should(BeZero())
}

// unmet lists, once each, the demands that smbtorture says were not met, by line of its source.
func unmet(said string) []string {
	list := regexp.MustCompile(`\w+\.c:\d+: .* expected [^:]*`).FindAllString(said, -1)
	slices.Sort(list)
	return slices.Compact(list)
}

var _ = Describe("smbtorture", Label("smbtorture"), func() {
	var (
		lan    *peers.LAN
		client *peers.Samba
	)

	BeforeEach(func() {
		lan = newLAN(2)
		client = samba(lan.Host(2), "CLIENT")
	})

	// serving starts serve on host 1 and waits until it has its name.
	serving := func(args ...string) {
		GinkgoHelper()
		start(lan.Host(1), nbtlab, append([]string{"serve", "--addr", lan.Host(1).Prefix().String(), "--name", "WANTED"}, args...)...)
		wanted(client, lan.Host(2))
	}

	for _, test := range tortures {
		// The timers of NetBT: the challenges of silent owners take a third of the time that RFC 1002's would.
		It("passes "+test+" against serve --wins", func() {
			serving("--wins", "--profile", "netbt")
			passes, why := torture(client, lan.Host(2), test)
			Expect(passes).To(BeTrue(), why)
		})
	}

	for _, test := range tortures[:2] {
		It("passes "+test+" against a B node", func() {
			serving()
			passes, why := torture(client, lan.Host(2), test)
			Expect(passes).To(BeTrue(), why)
		})
	}

	// Where smbtorture demands what nmbd does not do, the profile has serve do as nmbd.
	It("finds the same fault with serve --profile samba-nmbd as with nmbd", func() {
		serving("--wins", "--profile", "samba-nmbd")
		passes, ours := torture(client, lan.Host(2), "nbt.wins.wins")
		Expect(passes).To(BeFalse())

		other := newLAN(2)
		_, err := samba(other.Host(1), "WANTED", "wins support = yes").Nmbd()
		Expect(err).NotTo(HaveOccurred())
		asking := samba(other.Host(2), "CLIENT")
		wanted(asking, other.Host(2))
		passes, theirs := torture(asking, other.Host(2), "nbt.wins.wins")
		Expect(passes).To(BeFalse())
		const release = "wins.c:116: release.out.rcode was 3 (0x3), expected 0 (0x0)"
		Expect(unmet(ours)).To(ConsistOf(release))
		// To the last name, whose scope has 238 characters, nmbd is silent.
		Expect(unmet(theirs)).To(ConsistOf(release, "wins.c:115: status was NT_STATUS_IO_TIMEOUT, expected NT_STATUS_OK"))
	})
})
