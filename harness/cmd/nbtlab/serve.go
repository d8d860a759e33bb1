// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/agent"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// serving is what serve was asked for.
type serving struct {
	addr, model, profile      string
	names, groups, listens    []string
	hosts                     []string
	wins                      bool
	winsServer, nodeType      string
	maxNames, maxSessions     int
	pcap, ports               string
	agent, crash              bool
	last                      time.Duration
	prefix                    netip.Prefix
	config                    node.Config
	uniques, teams, listening []netbios.Name
}

func (a *app) serveCommand() *cobra.Command {
	var s serving
	cmd := &cobra.Command{
		Use:   "serve --addr ADDRESS[/LENGTH]",
		Short: "Serve NetBIOS names on a real network",
		Long: `Serve runs a node on the real UDP ports 137 and 138 and TCP port 139 of one of this host's addresses. It registers the names
it is given and holds them until it is interrupted; then it releases them. Without --model it is a correct node, with it one that
has the bug: for others to be tested against.

With --wins it is a NetBIOS name server too. With --agent it does what it is asked on standard input, as an agent of "nbtlab run
--dut" (see: go doc ./harness/agent), and prints only the protocol on standard output.

Ports below 1024 need root, or: sudo setcap cap_net_bind_service=+ep nbtlab. Exit status: 0 when it was told to end, 1 when a name
could not be registered or the node crashed, 2 when it could not start.`,
		Example: `  nbtlab serve --addr 10.77.0.1/24 --name CHAT --name 'CHAT<00>' --group 'OFFICE<1e>'
  nbtlab serve --addr 10.77.0.1 --name CHAT --model Q124565 --pcap chat.pcap
  nbtlab serve --addr 10.77.0.1 --wins
  nbtlab serve --addr 10.77.0.2 --name FRIEND --wins-server 10.77.0.1 --node-type p`,
		Args: flagsAlone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.read(); err != nil {
				return err
			}
			return a.serve(cmd.Context(), &s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.addr, "addr", "", "address to serve on, with the length of its network's prefix unless this host knows it")
	f.StringArrayVar(&s.names, "name", nil, "unique name to register; may be repeated")
	f.StringArrayVar(&s.groups, "group", nil, "group name to register; may be repeated")
	f.StringArrayVar(&s.listens, "listen", nil, "name of --name to accept sessions for; may be repeated")
	f.StringVar(&s.model, "model", fault.Fixed, "fixed, or faults such as Q124565:count=once,MS00-047")
	f.StringVar(&s.profile, "profile", node.RFC1002.Name, "timers and manners: "+strings.Join(profileNames(), ", "))
	f.BoolVar(&s.wins, "wins", false, "be a NetBIOS name server (NBNS, WINS) too")
	f.StringVar(&s.winsServer, "wins-server", "", "address of the name server of a node of type p, m or h")
	f.StringVar(&s.nodeType, "node-type", "", "b, p, m or h (default b, with --wins-server h)")
	f.StringArrayVar(&s.hosts, "lmhosts", nil, "NAME=ADDRESS that is known without a query; may be repeated")
	f.IntVar(&s.maxNames, "max-names", netbios.DefaultNames, "room in the name table")
	f.IntVar(&s.maxSessions, "max-sessions", netbios.DefaultSessions, "room for sessions")
	f.StringVar(&s.pcap, "pcap", "", "record what is sent and received in this file")
	f.BoolVar(&s.agent, "agent", false, "be an agent: read what to do on standard input")
	f.BoolVar(&s.crash, "crash", false, "end without releasing the names, like a crash")
	f.DurationVar(&s.last, "for", 0, "end after this time, such as 30s; without it when interrupted")
	f.StringVar(&s.ports, "ports", "", "NAME,DATAGRAM,SESSION: other ports, for tests without root")
	return cmd
}

// read checks what was asked for, all of it before anything is opened.
func (s *serving) read() (err error) {
	if s.addr == "" {
		return fmt.Errorf("serve wants an address: --addr ADDRESS (%s)", live.AddressesText())
	}
	if s.prefix, err = prefixOf(s.addr); err != nil {
		return fmt.Errorf("--addr %s: %w", s.addr, err)
	}
	if s.model == harness.Buggy {
		return fmt.Errorf("--model %s: there is no scenario whose bug it could be: name the fault, such as Q124565", s.model)
	}
	cfg := node.Config{
		Prefix: s.prefix, UnitID: harness.UnitID(s.prefix.Addr()), Serves: s.wins,
		Limits: netbios.Limits{Names: s.maxNames, Sessions: s.maxSessions},
	}
	if cfg.Faults, err = fault.Parse(s.model); err != nil {
		return fmt.Errorf("--model %s: %w (there are %s)", s.model, err, strings.Join(knownModels(), ", "))
	}
	var ok bool
	if cfg.Profile, ok = node.FindProfile(s.profile); !ok {
		return fmt.Errorf("--profile %s: there are %s", s.profile, strings.Join(profileNames(), ", "))
	}
	if err := s.readLimits(); err != nil {
		return err
	}
	if err := s.readNameServer(&cfg); err != nil {
		return err
	}
	for _, h := range s.hosts {
		name, addr, _ := strings.Cut(h, "=")
		n, err := netbios.ParseName(name)
		at, err2 := netip.ParseAddr(addr)
		if err := errors.Join(err, err2); err != nil {
			return fmt.Errorf("--lmhosts %s: want NAME=ADDRESS, such as CHAT=10.77.0.1: %w", h, err)
		}
		cfg.Hosts = append(cfg.Hosts, node.Host{Name: n, Addr: at})
	}
	s.config = cfg
	for _, x := range []struct {
		flag  string
		texts []string
		names *[]netbios.Name
	}{{"name", s.names, &s.uniques}, {"group", s.groups, &s.teams}, {"listen", s.listens, &s.listening}} {
		if *x.names, err = namesOf(x.flag, x.texts); err != nil {
			return err
		}
	}
	for i, n := range s.listening {
		if !slices.Contains(s.uniques, n) {
			return fmt.Errorf("--listen %s: sessions are accepted for names of --name alone: say --name %s too", s.listens[i], quote(s.listens[i]))
		}
	}
	return nil
}

func (s *serving) readLimits() error {
	switch {
	case s.maxNames < 1 || s.maxNames > netbios.MaxNames:
		return fmt.Errorf("--max-names %d: want 1 to %d", s.maxNames, netbios.MaxNames)
	case s.maxSessions < 1 || s.maxSessions > netbios.MaxSessions:
		return fmt.Errorf("--max-sessions %d: want 1 to %d", s.maxSessions, netbios.MaxSessions)
	case s.last < 0:
		return fmt.Errorf("--for %s: a time is not negative", s.last)
	}
	return nil
}

func (s *serving) readNameServer(cfg *node.Config) (err error) {
	if s.winsServer != "" {
		if cfg.NameServer, err = netip.ParseAddr(s.winsServer); err != nil || !cfg.NameServer.Is4() {
			return fmt.Errorf("--wins-server %s: want an IPv4 address", s.winsServer)
		}
		cfg.Type = node.H
	}
	if s.nodeType == "" {
		return nil
	}
	t, known := node.FindType(strings.ToLower(s.nodeType))
	switch {
	case !known:
		return fmt.Errorf("--node-type %s: want b, p, m or h", s.nodeType)
	case t != node.B && s.winsServer == "":
		return fmt.Errorf("--node-type %s: such a node has a name server: say --wins-server ADDRESS", s.nodeType)
	}
	cfg.Type = t
	return nil
}

func knownModels() []string {
	known := []string{fault.Fixed}
	for _, f := range fault.All() {
		known = append(known, f.ID)
	}
	return known
}

func namesOf(flag string, texts []string) ([]netbios.Name, error) {
	var names []netbios.Name
	for _, text := range texts {
		n, err := netbios.ParseName(text)
		if err != nil {
			return nil, fmt.Errorf("--%s %s: %w", flag, text, err)
		}
		names = append(names, n)
	}
	return names, nil
}

// prefixOf reads an address of this host, with or without the length of its network's prefix.
func prefixOf(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil && p.Addr().Is4() {
		return p, nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is4() {
		return netip.Prefix{}, errors.New("want an IPv4 address, such as 10.77.0.1/24")
	}
	list, err := live.Addresses()
	if err != nil {
		return netip.Prefix{}, err
	}
	for _, p := range list {
		if p.Contains(addr) && (p.Addr() == addr || addr.IsLoopback()) {
			return netip.PrefixFrom(addr, p.Bits()), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("it is not an address of this host (%s)", live.AddressesText())
}

// portsOf reads the ports in place of the well-known ones.
func portsOf(text string) (live.Ports, error) {
	if text == "" {
		return live.Ports{}, nil
	}
	var list [3]uint16
	words := strings.Split(text, ",")
	for i := range list {
		if len(words) != len(list) {
			break
		}
		n, err := strconv.ParseUint(words[i], 10, 16)
		if err != nil || n == 0 {
			return live.Ports{}, fmt.Errorf("--ports %s: %q is no port", text, words[i])
		}
		list[i] = uint16(n)
	}
	if list[0] == 0 || list[0] == list[1] || list[0] == list[2] || list[1] == list[2] {
		return live.Ports{}, fmt.Errorf("--ports %s: want three different ones, such as 10137,10138,10139", text)
	}
	return live.Ports{Name: list[0], Datagram: list[1], Session: list[2]}, nil
}

// served is the last line of serve --json.
type served struct {
	Event    string        `json:"event"`
	Counters live.Counters `json:"counters"`
}

// noted is a line of serve --json.
type noted struct {
	Event string `json:"event"` // "serving", "registered", "not-registered"
	Name  string `json:"name,omitempty"`
	Group bool   `json:"group,omitempty"`
	Addr  string `json:"addr,omitempty"`
	Code  string `json:"code,omitempty"`
}

// releasePatience is how long the names may take to be released.
const releasePatience = 20 * time.Second

// What serve may use: under fire it makes garbage without end, and what it holds is a few megabytes.
const (
	serveGCPercent = 100
	serveMemory    = 40 << 20
)

func (a *app) serve(ctx context.Context, s *serving) (err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(serveGCPercent))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(serveMemory))
	ctx, unhook := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer unhook()
	if s.last > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.last)
		defer cancel()
	}
	ports, err := portsOf(s.ports)
	if err != nil {
		return err
	}
	opts := live.Options{Ports: ports}
	if s.pcap != "" {
		tape, err2 := live.NewTape(s.pcap)
		if err2 != nil {
			return err2
		}
		opts.Recorder = tape
		defer func() {
			if e := tape.Close(); e != nil {
				err = errors.Join(err, fmt.Errorf("the recording in %s is not complete: %w", s.pcap, e))
			}
		}()
	}
	lan := live.New(opts)
	defer lan.Close()
	index, err := lan.Attach("node", s.prefix, func(firstID uint16) stack.Stack {
		cfg := s.config
		cfg.FirstID = firstID
		return node.New(cfg)
	})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(context.Background()) // it runs on while the names are released
	defer end()
	crashed := make(chan error, 1)
	go func() { crashed <- lan.Run(running) }()
	v := &server{app: a, serving: s, lan: lan, index: index, out: a.printer()}
	if s.agent {
		v.out = report.NewPrinter(a.stderr, false) // standard output is for the protocol
	}
	ended := make(chan error, 1)
	go func() { ended <- v.run(ctx) }()
	select {
	case err = <-ended:
	case err = <-crashed:
		a.status = exitNot
		v.out.Printf("%s\n", err)
		return nil
	}
	if err == nil && !s.crash {
		err = v.release()
	}
	return errors.Join(err, v.summary())
}

// server is a node that is being served.
type server struct {
	app     *app
	serving *serving
	lan     *live.LAN
	index   int
	out     *report.Printer
}

// run registers the names, and does what is asked, until the context ends or the agent's input does.
func (v *server) run(ctx context.Context) error {
	s := v.serving
	v.note(noted{Event: "serving", Addr: s.prefix.String()}, "serving on %s, model %s, profile %s\n",
		s.prefix, s.config.Faults, s.config.Profile.Name)
	for _, n := range s.uniques {
		if err := v.add(ctx, n, netbios.AddName); err != nil {
			return ignoreEnd(err)
		}
	}
	for _, n := range s.teams {
		if err := v.add(ctx, n, netbios.AddGroupName); err != nil {
			return ignoreEnd(err)
		}
	}
	for _, n := range s.listening {
		for range doors {
			if err := v.listen(n); err != nil {
				return err
			}
		}
	}
	if s.agent {
		return v.obey(ctx)
	}
	<-ctx.Done()
	return nil
}

// ignoreEnd takes being told to end for no error.
func ignoreEnd(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, live.ErrOver) {
		return nil
	}
	return err
}

func (v *server) note(line noted, format string, args ...any) {
	if v.app.json && !v.serving.agent {
		_ = report.JSON(v.app.stdout, line) // whoever closed standard output does not want to know
		return
	}
	v.out.Printf(format, args...)
}

func (v *server) add(ctx context.Context, n netbios.Name, command netbios.Command) error {
	c, err := v.lan.Do(ctx, v.index, netbios.NCB{Command: command, Name: n})
	if err != nil {
		return err
	}
	group := command == netbios.AddGroupName
	if c.Code != netbios.GOODRET {
		v.app.status = exitNot
		why := ""
		if c.Code == netbios.INUSE {
			why = ": another node has it"
		}
		v.note(noted{Event: "not-registered", Name: n.String(), Group: group, Code: c.Code.String()},
			"%s is not registered: %s%s\n", n, c.Code, why)
		return nil
	}
	v.note(noted{Event: "registered", Name: n.String(), Group: group}, "%s registered\n", n)
	return nil
}

// doors is how many LISTENs wait on a name of --listen at a time: who calls while one is renewed finds another.
const doors = 8

// listen keeps accepting sessions for a name. What is sent on them is taken, and that is all.
func (v *server) listen(n netbios.Name) error {
	_, err := v.lan.Submit(v.index, netbios.NCB{Command: netbios.Listen, Name: n, CallName: netbios.Wildcard},
		func(c stack.Complete) {
			if c.Code != netbios.GOODRET {
				return // the name is gone, or the node
			}
			go func() { _ = v.listen(n) }() // a LAN that has ended accepts nothing more
			go v.drain(c.LSN)
		})
	return err
}

func (v *server) drain(session uint8) {
	for {
		c, err := v.lan.Do(context.Background(), v.index, netbios.NCB{Command: netbios.Receive, LSN: session, Length: 0xffff})
		if err != nil || c.Code != netbios.GOODRET && c.Code != netbios.INCOMP {
			return
		}
	}
}

// obey is an agent's life.
func (v *server) obey(ctx context.Context) error {
	done := make(chan error, 1)
	go func() {
		done <- agent.Serve(ctx, v.app.stdin, v.app.stdout, "nbtlab serve, "+v.serving.config.Faults.String(),
			agent.Capabilities, servant{v.lan, v.index})
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}

// servant is a node as its agent sees it.
type servant struct {
	*live.LAN
	index int
}

func (s servant) Submit(ncb netbios.NCB, done func(stack.Complete)) (stack.CallID, error) {
	return s.LAN.Submit(s.index, ncb, done)
}
func (s servant) Stop(ctx context.Context) error { return s.LAN.Stop(ctx, s.index) }
func (s servant) Restart() error                 { return s.LAN.Restart(s.index) }

// release stops the node in order.
func (v *server) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), releasePatience)
	defer cancel()
	if err := v.lan.Stop(ctx, v.index); err != nil {
		return fmt.Errorf("the names were not all released: %w", err)
	}
	return nil
}

// summary tells what was counted.
func (v *server) summary() error {
	c := v.lan.Counters()
	if v.app.json && !v.serving.agent {
		return report.JSON(v.app.stdout, served{"ended", c})
	}
	v.out.Printf("ended: %d datagrams received (%d bytes), %d sent (%d bytes), %d connections accepted\n",
		c.Received, c.BytesReceived, c.Sent, c.BytesSent, c.Accepted)
	for _, x := range []struct {
		count uint64
		what  string
	}{
		{c.QueueFull, "datagrams dropped: they came too fast"},
		{c.TooLong, "datagrams dropped: too long"},
		{c.Elsewhere, "broadcasts ignored: of other networks of this host"},
		{c.SendErrors, "datagrams that could not be sent"},
		{c.ReceiveErrors, "errors on reading"},
		{c.StreamsRefused, "connections refused: there were too many"},
		{c.StreamsStalled, "connections reset: the other side did not read"},
		{c.StreamsAborted, "connections reset: they asked for nothing, or for what there is not"},
		{c.Remarks, "messages ignored: malformed, or not believed"},
	} {
		if x.count > 0 {
			v.out.Printf("%d %s\n", x.count, x.what)
		}
	}
	return v.out.Err()
}
