// SPDX-License-Identifier: MIT

package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

func (w *Wire) talk(ctx context.Context, x probe.Talk) (probe.Stream, error) {
	var last probe.Stream
	failed, told := 0, time.Now()
	times := max(1, x.Times)
	for i := range times {
		var err error
		if last, err = w.talkOnce(ctx, x); err != nil || ctx.Err() != nil {
			return last, err
		}
		if last.End == probe.Refused || last.End == probe.Timeout {
			failed++
		}
		if w.opts.Progress != nil && time.Since(told) >= often {
			told = time.Now()
			w.opts.Progress(i+1, times)
		}
	}
	last.Refused = failed
	return last, nil
}

// conn is a connection to the target and its place in the record.
type conn struct {
	*Wire
	tcp         *net.TCPConn
	own, target netip.AddrPort // target: as it is recorded
	number      int
}

// talkOnce opens one connection, writes, and reads until enough has come.
func (w *Wire) talkOnce(ctx context.Context, x probe.Talk) (probe.Stream, error) {
	c, end, err := w.connect(ctx, x.Wait)
	if c == nil {
		return probe.Stream{End: end}, err
	}
	r := &reader{conn: c, messages: x.Messages}
	for i, b := range x.Writes {
		if i > 0 && x.Gap > 0 {
			r.read(ctx, time.Now().Add(x.Gap))
		}
		if r.end != probe.Open {
			break
		}
		c.write(b)
	}
	r.read(ctx, time.Now().Add(x.Wait))
	c.close(r.end)
	return probe.Stream{End: r.end, Bytes: r.bytes}, nil
}

func (w *Wire) connect(ctx context.Context, wait time.Duration) (*conn, probe.End, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	target := netip.AddrPortFrom(w.opts.Target, w.opts.SessionPort)
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(w.self, 0))}
	start := w.now()
	x, err := d.DialContext(ctx, "tcp4", target.String())
	switch {
	case err == nil:
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, probe.Refused, nil
	case errors.Is(err, syscall.ECONNRESET):
		return nil, probe.Reset, nil
	case ctx.Err() != nil, errors.Is(err, syscall.EHOSTUNREACH), isTimeout(err):
		return nil, probe.Timeout, nil
	default:
		return nil, probe.Timeout, explained(err, w.opts)
	}
	w.conns++
	c := &conn{
		Wire: w, tcp: x.(*net.TCPConn), own: x.LocalAddr().(*net.TCPAddr).AddrPort(),
		target: netip.AddrPortFrom(w.opts.Target, stack.SessionPort), number: w.conns,
	}
	w.frames = append(w.frames, trace.Frame{At: start, Kind: trace.Connect, From: c.own, To: c.target, Conn: c.number})
	return c, probe.Open, nil
}

func (c *conn) sent(kind trace.FrameKind, payload []byte) {
	c.record(trace.Frame{Kind: kind, From: c.own, To: c.target, Payload: payload, Conn: c.number})
}

func (c *conn) came(kind trace.FrameKind, payload []byte) {
	c.record(trace.Frame{Kind: kind, From: c.target, To: c.own, Payload: payload, Conn: c.number})
}

// write writes bytes. What cannot be written is noticed in reading: the other side is done.
func (c *conn) write(b []byte) {
	if err := c.tcp.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return
	}
	if n, _ := c.tcp.Write(b); n > 0 {
		c.sent(trace.Message, b[:n])
	}
}

// close ends our side.
func (c *conn) close(end probe.End) {
	if end != probe.Reset {
		c.sent(trace.Fin, nil)
	}
	_ = c.tcp.Close() // the probe has seen what it wanted
}

// reader reads a connection as far as the exchange wants.
type reader struct {
	*conn
	messages int
	bytes    []byte
	end      probe.End
}

// enough reports whether as much has come as ends the wait: messages, or more bytes than anybody has use for.
func (r *reader) enough() bool {
	return r.messages > 0 && probe.Messages(r.bytes) >= r.messages || len(r.bytes) == probe.MaxStream
}

// read reads until a time, or until enough has come.
func (r *reader) read(ctx context.Context, until time.Time) {
	buffer := make([]byte, 4096)
	for r.end == probe.Open && !r.enough() && ctx.Err() == nil {
		deadline := time.Now().Add(beat)
		if deadline.After(until) {
			deadline = until
		}
		if err := r.tcp.SetReadDeadline(deadline); err != nil {
			return
		}
		n, err := r.tcp.Read(buffer)
		if n > 0 {
			b := append([]byte(nil), buffer[:n]...)
			r.came(trace.Message, b)
			r.bytes = append(r.bytes, b[:min(n, probe.MaxStream-len(r.bytes))]...)
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if !time.Now().Before(until) {
				return
			}
		case errors.Is(err, io.EOF):
			r.came(trace.Fin, nil)
			r.end = probe.Closed
		default:
			r.came(trace.Reset, nil)
			r.end = probe.Reset
		}
	}
}
