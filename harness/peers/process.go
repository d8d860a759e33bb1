// SPDX-License-Identifier: MIT

//go:build linux

package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a command that is run to its end may take.
const patience = 90 * time.Second

// Result is what a command printed and how it ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs a command on a host to its end. It is an error if it does not start, or does not end within 90 s; how it ended
// is in the result.
func (h *Host) Run(name string, args ...string) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", h.command(name, args)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	r := Result{Code: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return r, fmt.Errorf("peers: %s %s did not end within %s", name, strings.Join(args, " "), patience)
	case errors.As(err, &exit):
		err = nil
	}
	return r, err
}

func (h *Host) command(name string, args []string) []string {
	return append([]string{"netns", "exec", h.name, name}, args...)
}

// Process is a command that runs on a host, until it ends by itself, is ended, or its LAN goes down.
type Process struct {
	Stdin io.WriteCloser
	cmd   *exec.Cmd
	out   output
	done  chan struct{}
}

// output collects what a process prints.
type output struct {
	lock sync.Mutex
	b    bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.b.Write(b)
}

// Start starts a command on a host, in a session of its own: smbd signals its process group when it ends.
func (h *Host) Start(name string, args ...string) (*Process, error) {
	return h.lan.start(h.name, name, args...)
}

func (l *LAN) start(namespace, name string, args ...string) (*Process, error) {
	cmd := exec.Command("ip", append([]string{"netns", "exec", namespace, name}, args...)...)
	// Pdeathsig: what a test that was killed leaves behind ends too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.WaitDelay = time.Second
	var err error
	if p.Stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := startLasting(cmd); err != nil {
		return nil, fmt.Errorf("peers: cannot start %s: %w", name, err)
	}
	go func() {
		_ = cmd.Wait() // how it ended is in its state
		close(p.done)
	}()
	l.procs = append(l.procs, p)
	return p, nil
}

// startLasting starts a process from a thread that never ends. Pdeathsig is sent when the thread that started the process
// does, and those that [Host.In] enters namespaces with do.
func startLasting(cmd *exec.Cmd) error {
	starter()
	err := make(chan error)
	starts <- func() { err <- cmd.Start() }
	return <-err
}

var (
	starts  = make(chan func())
	starter = sync.OnceFunc(func() {
		go func() {
			runtime.LockOSThread()
			for start := range starts {
				start()
			}
		}()
	})
)

// Pid is the process's identifier: ip netns exec becomes the command.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Resident is how many bytes of memory the process has resident.
func (p *Process) Resident() (int, error) { return p.status("VmRSS") }

// status is a number of /proc/PID/status, in bytes where that counts kilobytes.
func (p *Process) status(key string) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key+":" {
			n, err := strconv.Atoi(fields[1])
			if len(fields) > 2 && fields[2] == "kB" {
				n <<= 10
			}
			return n, err
		}
	}
	return 0, fmt.Errorf("peers: process %d has no %s: it has ended", p.Pid(), key)
}

// Worked is the processor time that the process has taken, to a hundredth of a second.
func (p *Process) Worked() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		return 0, err
	}
	// Behind the program's name, in which anything may stand, the times are the twelfth and thirteenth field.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("peers: process %d has no times: it has ended", p.Pid())
	}
	user, err := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err, err2)
}

// Descriptors is how many files and sockets the process has open.
func (p *Process) Descriptors() (int, error) {
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid()))
	return len(list), err
}

// Output is what the process has printed so far, on standard output and standard error.
func (p *Process) Output() string {
	p.out.lock.Lock()
	defer p.out.lock.Unlock()
	return p.out.b.String()
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Code is the exit status of a process that has ended; -1 of one that a signal ended.
func (p *Process) Code() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends a signal to the process.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Stop asks the process to end with SIGTERM, and returns how it did. One that has not ended after 10 s is killed.
func (p *Process) Stop() (code int, err error) {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return p.Code(), nil //nolint:nilerror // it has ended already
	}
	select {
	case <-p.done:
		return p.Code(), nil
	case <-time.After(10 * time.Second):
		p.Kill()
		return -1, fmt.Errorf("peers: %s did not end within 10 s of SIGTERM", p.cmd.Args[4])
	}
}

// Kill ends the process like a crash, and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails when it has ended already
	<-p.done
}

// Capture records what is on the LAN's ports 137 to 139 into a file, with tcpdump on the bridge, until the process it
// returns is stopped.
func (l *LAN) Capture(path string) (*Process, error) {
	p, err := l.start(l.bridge(), "tcpdump", "-i", "br0", "--immediate-mode", "-U", "-n", "-s", "0", "-Z", "root", "-w", path,
		"udp port 137 or udp port 138 or tcp port 139 or icmp or arp")
	if err != nil {
		return nil, err
	}
	for range 100 {
		if strings.Contains(p.Output(), "listening") {
			return p, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.Kill()
	return nil, fmt.Errorf("peers: tcpdump does not listen: %s", p.Output())
}
