// SPDX-License-Identifier: MIT

//go:build !peers

package peers_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// With the peers there is a suite that needs root; without them, this one judges the judge of the fire.
func TestVitals(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "vitals")
}
