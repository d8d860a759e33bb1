// SPDX-License-Identifier: MIT

package nbtlayers_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestNBTLayers(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "nbtlayers")
}
