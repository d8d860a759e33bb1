// SPDX-License-Identifier: MIT

//go:build linux

package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Workgroup is the workgroup of every Samba on a LAN.
const Workgroup = "NBTLAB"

// Samba is an installation of Samba on a host that shares nothing with others but the programs.
type Samba struct {
	Conf string // path of its smb.conf; for the -s of nmblookup, smbclient and smbtorture too
	host *Host
	dir  string
}

// Samba writes the configuration of a Samba whose NetBIOS name is given, with further lines for its [global] section, such
// as "wins support = yes". Nothing is started.
func (h *Host) Samba(name string, lines ...string) (*Samba, error) {
	dir := filepath.Join(h.lan.dir, h.name)
	s := &Samba{Conf: filepath.Join(dir, "smb.conf"), host: h, dir: dir}
	for _, sub := range []string{
		"lock", "state", "cache", "private", "pid", "ncalrpc", "log", "share", "usr", "nmbd", "winbindd",
	} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	return s, os.WriteFile(s.Conf, []byte(s.config(name, lines)), 0o644)
}

func (s *Samba) config(name string, lines []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global]\n  netbios name = %s\n  workgroup = %s\n  interfaces = %s\n", name, Workgroup, s.host.Prefix())
	for option, sub := range map[string]string{
		"lock directory": "lock", "state directory": "state", "cache directory": "cache", "private dir": "private",
		"pid directory": "pid", "ncalrpc dir": "ncalrpc", "usershare path": "usr", "winbindd socket directory": "winbindd",
		// Undocumented. Without it all nmbds and their clients on a machine share one socket, whatever their namespace.
		"nmbd:socket dir": "nmbd",
	} {
		fmt.Fprintf(&b, "  %s = %s\n", option, filepath.Join(s.dir, sub))
	}
	fmt.Fprintf(&b, "  log file = %s\n", filepath.Join(s.dir, "log", "log.%m"))
	for _, line := range append([]string{
		"bind interfaces only = no", "log level = 2", "map to guest = Bad User", "server min protocol = NT1",
		"client min protocol = NT1", "smb ports = 139", "disable spoolss = yes", "load printers = no", "dns proxy = no",
		"local master = no", "preferred master = no", "os level = 0",
	}, lines...) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	fmt.Fprintf(&b, "[share]\n  path = %s\n  guest ok = yes\n", filepath.Join(s.dir, "share"))
	return b.String()
}

// Nmbd starts nmbd. It answers within a second, and goes on registering its names for some eight.
func (s *Samba) Nmbd() (*Process, error) {
	return s.host.Start("nmbd", "--foreground", "--no-process-group", "-s", s.Conf, "-l", filepath.Join(s.dir, "log"))
}

// Smbd starts smbd on TCP port 139.
func (s *Samba) Smbd() (*Process, error) {
	return s.host.Start("smbd", "--foreground", "--no-process-group", "-s", s.Conf, "-l", filepath.Join(s.dir, "log"))
}
