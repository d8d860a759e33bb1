// SPDX-License-Identifier: MIT

package nametable_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestNameTable(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "nametable")
}
