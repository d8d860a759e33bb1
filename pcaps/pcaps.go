// SPDX-License-Identifier: MIT

// Package pcaps holds the recorded captures: <scenario>/[<case>/]<model>.pcap for runs of the harness's own models, and a
// MANIFEST that says of each what made it. All of it is made by nbtlab record, but for recorded/*.pcap: those are of real stacks.
package pcaps

import (
	"embed"
	"io/fs"
)

//go:embed MANIFEST */*
var files embed.FS

// FS returns the captures and their manifest.
func FS() fs.FS { return files }
