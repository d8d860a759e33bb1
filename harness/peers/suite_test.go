// SPDX-License-Identifier: MIT

//go:build peers

package peers_test

import (
	"encoding"
	"os/exec"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/peers"
)

func TestPeers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "real peers")
}

// nbtlab is the path of the command under test, built once for all processes of the suite.
var nbtlab string

var _ = SynchronizedBeforeSuite(func() []byte {
	path, err := gexec.Build("github.com/nbtlab/nbtlab/harness/cmd/nbtlab")
	Expect(err).NotTo(HaveOccurred())
	return []byte(path)
}, func(path []byte) { nbtlab = string(path) })

var _ = SynchronizedAfterSuite(func() {}, gexec.CleanupBuildArtifacts)

// newLAN makes a LAN that goes with the spec, or in a BeforeAll with the container.
func newLAN(hosts int) *peers.LAN {
	GinkgoHelper()
	lan, err := peers.Up(hosts)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(lan.Down)
	return lan
}

// on runs a command on a host to its end, whatever that is.
func on(h *peers.Host, name string, args ...string) peers.Result {
	GinkgoHelper()
	r, err := h.Run(name, args...)
	Expect(err).NotTo(HaveOccurred())
	return r
}

// start starts a command on a host.
func start(h *peers.Host, name string, args ...string) *peers.Process {
	GinkgoHelper()
	p, err := h.Start(name, args...)
	Expect(err).NotTo(HaveOccurred())
	return p
}

// samba configures a Samba on a host.
func samba(h *peers.Host, name string, lines ...string) *peers.Samba {
	GinkgoHelper()
	s, err := h.Samba(name, lines...)
	Expect(err).NotTo(HaveOccurred())
	return s
}

// nodeStatus asks a host for its name table with Samba's nmblookup, from another host, and returns what that printed.
func nodeStatus(from *peers.Samba, at, of *peers.Host) string {
	GinkgoHelper()
	return on(at, "nmblookup", "-s", from.Conf, "-A", of.Addr.String()).Stdout
}

// namespaces lists the network namespaces that there are.
func namespaces() string {
	GinkgoHelper()
	out, err := exec.Command("ip", "netns", "list").Output()
	Expect(err).NotTo(HaveOccurred())
	return string(out)
}

// name reads a name as scenarios write it.
func name(text string) netbios.Name {
	GinkgoHelper()
	n, err := netbios.ParseName(text)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// encoded is a message as bytes.
func encoded(m encoding.BinaryAppender) []byte {
	GinkgoHelper()
	b, err := m.AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	return b
}
