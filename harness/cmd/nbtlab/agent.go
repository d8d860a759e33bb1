// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness/agent"
	"github.com/nbtlab/nbtlab/harness/stack"
)

func (a *app) agentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "agent KIND",
		Short: "Be the hand at a device that others made",
		Long: `Agent speaks the agent protocol on standard input and output (see: go doc ./harness/agent), and makes a device do what a
scenario wants of it. It is what --agent of "nbtlab run --dut" starts.`,
		Example: `  nbtlab agent nmbd --help`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var kinds []string
			for _, kind := range cmd.Commands() {
				kinds = append(kinds, kind.Name())
			}
			return fmt.Errorf("agent %s: there is no agent of that kind here, only of %s; one for another device is a program of yours "+
				"(see: go doc ./harness/agent)", args[0], strings.Join(kinds, ", "))
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	cmd.AddCommand(a.agentNmbdCommand())
	return cmd
}

func (a *app) agentNmbdCommand() *cobra.Command {
	var n agent.NMBD
	var addr string
	cmd := &cobra.Command{
		Use:   "nmbd --addr ADDRESS/LENGTH --workgroup NAME",
		Short: "Make Samba's nmbd add and delete names",
		Long: `Agent nmbd makes Samba's nmbd add and delete the two names that it can be made to add and delete while it runs: WORKGROUP<1d>
and the group \x01\x02__MSBROWSE__\x02<01>, which it holds while it is the local master browser. It wins an election when it is
told to (smbcontrol force-election, about 20 seconds), and loses one to the agent's datagram (at once). It needs local master = yes
and an os level between 1 and 31 in its smb.conf, and this command the right to use smbcontrol.`,
		Example: `  nbtlab run q124565-table --bind CHAT='NBTLAB<1d>' --dut pc=10.77.0.1 \
      --agent pc='nbtlab agent nmbd --addr 10.77.0.1/24 --workgroup NBTLAB --conf /etc/samba/smb.conf'`,
		Args: flagsAlone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if addr == "" || n.Workgroup == "" {
				return errors.New("agent nmbd wants --addr ADDRESS/LENGTH and --workgroup NAME (see: nbtlab agent nmbd --help)")
			}
			p, err := netip.ParsePrefix(addr)
			if err != nil || !p.Addr().Is4() {
				return fmt.Errorf("--addr %s: want nmbd's IPv4 address with the length of its network's prefix, such as 10.77.0.1/24", addr)
			}
			n.Addr, n.Broadcast = p.Addr(), stack.BroadcastOf(p)
			ctx, unhook := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer unhook()
			return n.Serve(ctx, a.stdin, a.stdout)
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "nmbd's address, with the length of its network's prefix")
	cmd.Flags().StringVar(&n.Workgroup, "workgroup", "", "nmbd's workgroup")
	cmd.Flags().StringVar(&n.Conf, "conf", "/etc/samba/smb.conf", "nmbd's smb.conf")
	return cmd
}
