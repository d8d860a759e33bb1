// SPDX-License-Identifier: MIT

package netbios_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestNetBIOS(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "netbios")
}
