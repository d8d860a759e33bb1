// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/peers"
)

var _ = Describe("A name server", Label("wins"), func() {
	var (
		lan    *peers.LAN
		asking *peers.Samba // on host 3
	)

	BeforeEach(func() {
		lan = newLAN(3)
		asking = samba(lan.Host(3), "ASKING")
	})

	// told asks the name server on host 1 for a name and returns what nmblookup prints.
	told := func(name string) string {
		GinkgoHelper()
		return on(lan.Host(3), "nmblookup", "-s", asking.Conf, "--recursion", "--unicast="+lan.Host(1).Addr.String(), name).Stdout
	}
	eventually := func(name string) AsyncAssertion {
		return Eventually(told).WithArguments(name).WithTimeout(40 * time.Second).WithPolling(500 * time.Millisecond)
	}
	serve := func(host int, args ...string) *peers.Process {
		GinkgoHelper()
		return start(lan.Host(host), nbtlab, append([]string{"serve", "--addr", lan.Host(host).Prefix().String()}, args...)...)
	}

	for _, kind := range []string{"p", "m", "h"} {
		It("of Samba's keeps the names of our nodes of type "+kind+", and gives them back", func() {
			_, err := samba(lan.Host(1), "REALWINS", "wins support = yes").Nmbd()
			Expect(err).NotTo(HaveOccurred())
			eventually("REALWINS").Should(ContainSubstring("10.77.0.1 REALWINS<00>"))

			ours := serve(2, "--wins-server", "10.77.0.1", "--node-type", kind, "--name", "CHAT")
			eventually("CHAT#20").Should(ContainSubstring("10.77.0.2 CHAT<20>"))

			By("asking the owner when another of ours wants it, and believing its answer")
			other := serve(3, "--wins-server", "10.77.0.1", "--node-type", "p", "--name", "CHAT")
			Eventually(other.Output).WithTimeout(30 * time.Second).Should(ContainSubstring("NRC_INUSE"))
			Expect(other.Signal(syscall.SIGKILL)).To(Succeed())
			<-other.Done()

			Expect(ours.Signal(syscall.SIGTERM)).To(Succeed())
			Expect(ours.Code()).To(BeZero(), ours.Output())
			eventually("CHAT#20").Should(ContainSubstring("name_query failed to find name CHAT#20"))
		})
	}

	It("of ours keeps the names of Samba's nmbd, and gives them back", func() {
		serve(1, "--wins", "--name", "SELF")
		eventually("SELF#20").Should(ContainSubstring("10.77.0.1 SELF<20>"))
		nmbd, err := samba(lan.Host(2), "CLIENT", "wins server = 10.77.0.1").Nmbd()
		Expect(err).NotTo(HaveOccurred())
		for _, name := range []string{"CLIENT#00", "CLIENT#03", "CLIENT#20"} {
			eventually(name).Should(ContainSubstring("10.77.0.2 CLIENT<"))
		}
		eventually(peers.Workgroup + "#00").Should(ContainSubstring("255.255.255.255"))

		By("asking nmbd when one of ours wants its name")
		other := serve(3, "--wins-server", "10.77.0.1", "--node-type", "p", "--name", "CLIENT")
		Eventually(other.Output).WithTimeout(30 * time.Second).Should(ContainSubstring("NRC_INUSE"))
		Expect(other.Signal(syscall.SIGKILL)).To(Succeed())
		<-other.Done()

		Expect(nmbd.Signal(syscall.SIGTERM)).To(Succeed())
		nmbd.Code()
		eventually("CLIENT#20").Should(ContainSubstring("name_query failed to find name CLIENT#20"))
	})
})
