// SPDX-License-Identifier: MIT

package pcaps_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestPcaps(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "pcaps")
}
