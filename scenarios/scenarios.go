// SPDX-License-Identifier: MIT

// Package scenarios holds the reproductions that ship with the harness, one file each.
package scenarios

import (
	"embed"
	"io/fs"
)

//go:embed *.scenario
var files embed.FS

// Extension is that of scenario files.
const Extension = ".scenario"

// FS returns the scenario files.
func FS() fs.FS { return files }
