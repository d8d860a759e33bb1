// SPDX-License-Identifier: MIT

package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Options change how an agent is spoken with. The zero value is right for a program.
type Options struct {
	Timeout time.Duration     // for the first line, and for each answer that waits for nobody; 0 for a minute
	Stderr  func(line string) // gets what the agent prints on standard error, made harmless; nil drops it
}

const (
	defaultTimeout = time.Minute
	maxQueued      = 256             // requests that the agent has not read yet
	maxStderr      = 1000            // lines that are passed on
	endPatience    = 2 * time.Second // for an agent whose standard input has ended
)

// Process is an agent that runs. It is the hand of a device (see live.Hand).
type Process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	opts   Options
	hello  hello
	queue  chan []byte
	gone   chan struct{}
	exited chan struct{}
	closed chan struct{}

	lock    sync.Mutex
	err     error
	lastID  uint32
	pending map[uint32]*pending
	calls   map[stack.CallID]uint32
}

type pending struct {
	op    string
	done  func(stack.Complete, error)
	timer *time.Timer
}

// Start starts an agent with a shell, as the user would, and waits until it has said what it can do or the context ends, which
// ends only an agent that has not said it yet. The command is the user's: nothing in it comes from a network or a file.
func Start(ctx context.Context, command string, opts Options) (*Process, error) {
	if opts.Timeout == 0 {
		opts.Timeout = defaultTimeout
	}
	cmd := exec.Command("sh", "-c", command)
	ownGroup(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("agent: cannot start %s: %w", command, err)
	}
	p := &Process{
		cmd: cmd, stdin: stdin, opts: opts, queue: make(chan []byte, maxQueued), gone: make(chan struct{}),
		exited: make(chan struct{}), closed: make(chan struct{}), pending: map[uint32]*pending{}, calls: map[stack.CallID]uint32{},
	}
	var read sync.WaitGroup
	greeting := make(chan error, 1)
	read.Go(func() { p.read(newLineReader(stdout), greeting) })
	read.Go(func() { p.pass(stderr) })
	go p.write()
	go func() {
		read.Wait()
		err := cmd.Wait()
		close(p.exited)
		killGroup(cmd) // what it left behind
		p.fail(fmt.Errorf("it has ended: %s", ending(err)))
	}()
	select {
	case err = <-greeting:
	case <-time.After(opts.Timeout):
		err = fmt.Errorf("it said nothing within %s", opts.Timeout)
	case <-ctx.Done():
		p.fail(ctx.Err())
		p.Close()
		return nil, fmt.Errorf("agent: %s had not said what it can do: %w", command, ctx.Err())
	}
	if err != nil {
		p.fail(err)
		p.Close()
		return nil, fmt.Errorf(`agent: %s does not speak the agent protocol: %w; its first line has to be like `+
			`{"nbtlab_agent":%d,"name":"my stack","can":["add-name"]} (see: go doc ./harness/agent)`, command, err, Version)
	}
	return p, nil
}

func ending(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "exit status 0"
	case errors.As(err, &exit):
		return exit.String()
	}
	return err.Error()
}

// Name is what the agent calls itself, made harmless.
func (p *Process) Name() string { return nbt.Printable([]byte(p.hello.Name)) }

// Capabilities are what the agent can do, of what anybody can.
func (p *Process) Capabilities() []string {
	return slices.DeleteFunc(slices.Clone(Capabilities), func(op string) bool { return !p.Can(op) })
}

// Can reports whether the agent said that it can do something.
func (p *Process) Can(op string) bool { return slices.Contains(p.hello.Can, op) }

// Gone is closed when the agent can do nothing more.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Err is why the agent can do nothing more.
func (p *Process) Err() error {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.err
}

// Do asks the agent for something. Done is called once, from another goroutine.
func (p *Process) Do(op string, call stack.Call, done func(stack.Complete, error)) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.err != nil {
		go done(stack.Complete{}, p.err)
		return
	}
	p.lastID++
	id := p.lastID
	target := uint32(0)
	if call.NCB.Target != 0 {
		target = p.calls[stack.CallID(call.NCB.Target)]
	}
	x := &pending{op: op, done: done}
	if !waits(op) {
		x.timer = time.AfterFunc(p.opts.Timeout, func() {
			p.fail(fmt.Errorf("it did not answer %s within %s", op, p.opts.Timeout))
		})
	}
	p.pending[id] = x
	if call.ID != 0 {
		p.calls[call.ID] = id
	}
	select {
	case p.queue <- line(requestFor(id, op, call.NCB, target)):
	default:
		go p.fail(errors.New("it does not read what it is asked"))
	}
}

func (p *Process) write() {
	for {
		select {
		case b := <-p.queue:
			if _, err := p.stdin.Write(b); err != nil {
				return // its end is noticed where it is read
			}
		case <-p.gone:
			return
		}
	}
}

func (p *Process) read(lines *lineReader, greeting chan<- error) {
	b, err := lines.next()
	if err == nil {
		p.hello, err = parseHello(b)
	} else if errors.Is(err, io.EOF) {
		err = errors.New("it ended without a word")
	}
	greeting <- err
	for err == nil {
		if b, err = lines.next(); err == nil {
			err = p.answered(b)
		}
	}
	if !errors.Is(err, io.EOF) && !p.isClosed() {
		p.fail(err)
	}
	killUnlessDone(p, lines)
}

// killUnlessDone ends an agent that is not to be listened to any more: it may write for ever.
func killUnlessDone(p *Process, lines *lineReader) {
	select {
	case <-p.gone:
		killGroup(p.cmd)
	default:
	}
	_, _ = io.Copy(io.Discard, lines.r) // until it has ended
}

func (p *Process) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// answered takes one line of the agent for what it has to be.
func (p *Process) answered(b []byte) error {
	a, err := parseAnswer(b)
	if err != nil {
		return fmt.Errorf("it does not keep to the protocol: %w", err)
	}
	p.lock.Lock()
	x := p.pending[a.ID]
	delete(p.pending, a.ID)
	p.lock.Unlock()
	if x == nil {
		return fmt.Errorf("it does not keep to the protocol: it answered %d, which nobody asked or it has answered before", a.ID)
	}
	if x.timer != nil {
		x.timer.Stop()
	}
	if a.Error != "" {
		x.done(stack.Complete{}, fmt.Errorf("it could not do %s: %s", x.op, nbt.Printable([]byte(a.Error))))
		return nil
	}
	c, err := a.complete()
	if err != nil {
		err = fmt.Errorf("it does not keep to the protocol: the answer to %s: %w", x.op, err)
	}
	x.done(c, err)
	return err
}

// pass shows what the agent prints on standard error.
func (p *Process) pass(stderr io.Reader) {
	r := bufio.NewReaderSize(stderr, 512)
	for n := 0; ; n++ {
		b, _, err := r.ReadLine()
		if err != nil {
			return
		}
		switch {
		case p.opts.Stderr == nil || n > maxStderr:
		case n == maxStderr:
			p.opts.Stderr("(more than that is not shown)")
		default:
			p.opts.Stderr(nbt.Printable([]byte(strings.TrimSuffix(string(b), "\r"))))
		}
	}
}

// fail is the end of an agent that cannot be trusted any more: whatever is asked of it has no answer.
func (p *Process) fail(err error) {
	p.lock.Lock()
	if p.err != nil {
		p.lock.Unlock()
		return
	}
	p.err = err
	close(p.gone)
	left := p.pending
	p.pending = nil
	p.lock.Unlock()
	killGroup(p.cmd)
	for _, x := range left {
		if x.timer != nil {
			x.timer.Stop()
		}
		x.done(stack.Complete{}, err)
	}
}

// Close ends the agent and everything that it started.
func (p *Process) Close() {
	if p.isClosed() {
		return
	}
	close(p.closed)
	_ = p.stdin.Close() // it may be gone already
	select {
	case <-p.exited:
	case <-time.After(endPatience):
	}
	killGroup(p.cmd)
	<-p.exited
	p.fail(errors.New("it has been ended"))
}
