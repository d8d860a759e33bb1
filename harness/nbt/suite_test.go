// SPDX-License-Identifier: MIT

package nbt_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestNBT(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "nbt")
}
