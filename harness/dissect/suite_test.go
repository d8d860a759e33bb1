// SPDX-License-Identifier: MIT

package dissect_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestDissect(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "dissect")
}
