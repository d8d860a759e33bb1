// SPDX-License-Identifier: MIT

package agent

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// NMBD drives Samba's nmbd, whose name table no application can change. But as the local master browser of its workgroup it
// holds WORKGROUP<1d> and the group \x01\x02__MSBROWSE__\x02<01>, and it can be made to win an election (smbcontrol
// force-election) and to lose one (a datagram of somebody with a better right): so it adds and deletes these two names when it
// is told to. It needs "local master = yes" and an "os level" below 32.
type NMBD struct {
	Addr      netip.Addr // of nmbd
	Broadcast netip.Addr // of its network
	Conf      string     // path of its smb.conf
	Workgroup string
	// NamePort and DatagramPort are nmbd's, 0 for the well-known ones.
	NamePort, DatagramPort uint16

	master, browse netbios.Name
	client         *net.UDPConn
}

// How long nmbd takes: it announces itself four times before it takes an election for won, and then registers the names.
const (
	winPatience   = 60 * time.Second
	losePatience  = 10 * time.Second
	startPatience = 30 * time.Second
	statusWait    = 500 * time.Millisecond
	pollEvery     = 200 * time.Millisecond
)

// Serve speaks the agent protocol on in and out. Before it says what it can do it waits until nmbd answers, and has it give up
// the two names if it has them.
func (n *NMBD) Serve(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	if _, err := exec.LookPath("smbcontrol"); err != nil {
		return errors.New("smbcontrol is missing, which makes nmbd hold elections: on Debian or Ubuntu run sudo apt-get install samba")
	}
	if n.master, err = netbios.MakeName(strings.ToUpper(n.Workgroup), 0x1d); err != nil {
		return fmt.Errorf("workgroup %s: %w", n.Workgroup, err)
	}
	n.browse, _ = netbios.MakeName("\x01\x02__MSBROWSE__\x02", 0x01) // 15 bytes
	n.NamePort, n.DatagramPort = orElse(n.NamePort, stack.NamePort), orElse(n.DatagramPort, stack.DatagramPort)
	if n.client, err = net.ListenUDP("udp4", nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.client.Close()) }()
	if !n.until(ctx, startPatience, func(map[netbios.Name]bool) bool { return true }) {
		return fmt.Errorf("nmbd at %s does not answer node status on UDP port %d: is it running there?", n.Addr, n.NamePort)
	}
	if err := n.lose(ctx); err != nil {
		return err
	}
	return Serve(ctx, in, out, "nbtlab agent nmbd", []string{"add-name", "add-group", "delete-name", "adapter-status"}, n)
}

func orElse(port, well uint16) uint16 {
	if port == 0 {
		return well
	}
	return port
}

// Submit implements [Servant]. The calls are made one after the other: the elections are.
func (n *NMBD) Submit(ncb netbios.NCB, done func(stack.Complete)) (stack.CallID, error) {
	ctx := context.Background()
	switch ncb.Command {
	case netbios.AddName, netbios.AddGroupName:
		if err := n.knows(ncb.Name, ncb.Command == netbios.AddGroupName); err != nil {
			return 0, err
		}
		return 0, n.add(ctx, ncb.Name, done)
	case netbios.DeleteName:
		if err := n.knows(ncb.Name, ncb.Name == n.browse); err != nil {
			return 0, err
		}
		return 0, n.remove(ctx, ncb.Name, done)
	case netbios.AdapterStatus:
		s, ok := n.status()
		if !ok {
			return 0, errors.New("nmbd does not answer node status")
		}
		done(stack.Complete{Data: s})
		return 0, nil
	}
	return 0, fmt.Errorf("nmbd cannot be made to do %s", ncb.Command)
}

func (n *NMBD) knows(name netbios.Name, group bool) error {
	if name == n.master && !group || name == n.browse && group {
		return nil
	}
	return fmt.Errorf("nmbd adds and deletes no names at run time but the unique %s and the group %s: bind the scenario's to them, "+
		"such as --bind CHAT='%s'", n.master, n.browse, n.master)
}

// Stop and Restart are for whoever started nmbd.
func (n *NMBD) Stop(context.Context) error {
	return errors.New("nmbd is stopped by whoever started it")
}

// Restart is like Stop.
func (n *NMBD) Restart() error { return errors.New("nmbd is restarted by whoever started it") }

// add has nmbd win an election, and is done when it holds both names.
func (n *NMBD) add(ctx context.Context, name netbios.Name, done func(stack.Complete)) error {
	held := func(names map[netbios.Name]bool) bool { return names[n.master] && names[n.browse] }
	if n.now(func(names map[netbios.Name]bool) bool { return names[name] }) {
		done(stack.Complete{Code: netbios.DUPNAME})
		return nil
	}
	cmd := exec.CommandContext(ctx, "smbcontrol", "-s", n.Conf, "nmbd", "force-election")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("smbcontrol -s %s nmbd force-election: %w: %s", n.Conf, err, strings.TrimSpace(string(out)))
	}
	if !n.until(ctx, winPatience, held) {
		return fmt.Errorf("nmbd did not become local master within %s: it needs local master = yes, and an os level above 0", winPatience)
	}
	done(stack.Complete{})
	return nil
}

// remove has nmbd lose an election. It does not say what becomes of a name then: whether it is gone is seen on the wire.
func (n *NMBD) remove(ctx context.Context, name netbios.Name, done func(stack.Complete)) error {
	if !n.now(func(names map[netbios.Name]bool) bool { return names[name] }) {
		done(stack.Complete{Code: netbios.NOWILD})
		return nil
	}
	if err := n.election(); err != nil {
		return err
	}
	n.until(ctx, losePatience, func(names map[netbios.Name]bool) bool { return !names[name] })
	done(stack.Complete{})
	return nil
}

// lose makes sure that nmbd begins without the names. While it is winning an election it does not listen to others.
func (n *NMBD) lose(ctx context.Context) error {
	none := func(names map[netbios.Name]bool) bool { return !names[n.master] && !names[n.browse] }
	for range 10 {
		if n.now(none) {
			return nil
		}
		if err := n.election(); err != nil {
			return err
		}
		n.until(ctx, losePatience/2, none)
	}
	return fmt.Errorf("nmbd keeps %s whoever has the better right to it: lower its os level", n.master)
}

// Layout of an SMB_COM_TRANSACTION that writes to a mailslot, and of the election request of the browser protocol in it
// ([MS-MAIL] section 2.2.1, [MS-BRWS] section 2.2.9).
const (
	smbHeaderLen     = 32
	transactionWords = 17
	mailslotClass2   = 2
	electionRequest  = 0x08
	bestCriteria     = 0x7f010f00 // above any of nmbd's with an os level below 127
)

// election is the request of somebody who wins every election.
func (n *NMBD) election() error {
	const mailslot, who = "\\MAILSLOT\\BROWSE", "NBTLAB-AGENT"
	data := []byte{electionRequest, 1}
	data = binary.LittleEndian.AppendUint32(data, bestCriteria)
	data = binary.LittleEndian.AppendUint32(data, 100_000) // up for so long, in milliseconds
	data = binary.LittleEndian.AppendUint32(data, 0)
	data = append(append(data, who...), 0)

	b := append([]byte("\xffSMB\x25"), make([]byte, smbHeaderLen-5)...)
	b = append(b, transactionWords)
	offset := smbHeaderLen + 1 + 2*transactionWords + 2 + len(mailslot) + 1
	for _, word := range []int{
		0, len(data), 0, 0, 0, 0, 1000, 0, 0, 0, 0, len(data), offset, 3, 1, 1, mailslotClass2,
	} {
		b = binary.LittleEndian.AppendUint16(b, uint16(word))
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(len(mailslot)+1+len(data)))
	b = append(append(append(b, mailslot...), 0), data...)

	source, _ := netbios.MakeName(who, 0)
	group, err := netbios.MakeName(strings.ToUpper(n.Workgroup), 0x1e)
	if err != nil {
		return err
	}
	local, err := n.localAddr()
	if err != nil {
		return err
	}
	m := nbt.GroupDatagram(uint16(rand.Uint32()), netip.AddrPortFrom(local, stack.DatagramPort), source, group, b)
	packet, err := m.AppendBinary(nil)
	if err != nil {
		return err
	}
	_, err = n.client.WriteToUDPAddrPort(packet, netip.AddrPortFrom(n.Broadcast, n.DatagramPort))
	return err
}

// localAddr is the address that this host speaks with nmbd from.
func (n *NMBD) localAddr() (netip.Addr, error) {
	c, err := net.Dial("udp4", netip.AddrPortFrom(n.Addr, n.NamePort).String())
	if err != nil {
		return netip.Addr{}, err
	}
	addr := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	return addr.Unmap(), c.Close()
}

// until polls nmbd's name table.
func (n *NMBD) until(ctx context.Context, patience time.Duration, enough func(map[netbios.Name]bool) bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(pollEvery) {
		if n.now(enough) {
			return true
		}
	}
	return false
}

func (n *NMBD) now(enough func(map[netbios.Name]bool) bool) bool {
	b, ok := n.status()
	if !ok {
		return false
	}
	rows, err := netbios.ParseStatus(b)
	names := map[netbios.Name]bool{}
	for _, row := range rows {
		names[row.Name] = true
	}
	return err == nil && enough(names)
}

// status asks nmbd for its name table, in the layout of ADAPTER STATUS.
func (n *NMBD) status() ([]byte, bool) {
	id := uint16(rand.Uint32())
	b, err := nbt.StatusRequest(id, netbios.Wildcard).AppendBinary(nil)
	if err != nil {
		return nil, false
	}
	to := netip.AddrPortFrom(n.Addr, n.NamePort)
	if _, err := n.client.WriteToUDPAddrPort(b, to); err != nil {
		return nil, false
	}
	buf := make([]byte, 2048)
	_ = n.client.SetReadDeadline(time.Now().Add(statusWait)) // a socket that is closed says so when it is read
	for {
		size, from, err := n.client.ReadFromUDPAddrPort(buf)
		if err != nil {
			return nil, false
		}
		m, err := nbt.ParseNameMessage(buf[:size])
		if err != nil || m.ID != id || m.Kind() != nbt.KindStatusResponse || from.Addr().Unmap() != n.Addr {
			continue
		}
		return rowsOf(m.Record().Status), true
	}
}

func rowsOf(s *nbt.NodeStatus) []byte {
	rows := make([]netbios.NameRow, len(s.Names))
	for i, x := range s.Names {
		rows[i] = netbios.NameRow{Name: x.Name, Num: uint8(i + 1), Flags: netbios.FlagRegistered}
		if x.Flags&nbt.NameGroup != 0 {
			rows[i].Flags |= netbios.FlagGroup
		}
	}
	return netbios.AppendStatus(nil, s.Stats.UnitID, rows)
}
