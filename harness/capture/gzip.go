// SPDX-License-Identifier: MIT

package capture

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// What a compressed file may grow to, unless [Options] MaxBytes says otherwise. Deflate cannot do better than 1032 to 1, a
// bomb comes near to that, and captures shrink to a tenth at best; a short one of a single packet repeated may do better.
const (
	maxInflated      = 1 << 30
	maxRatio         = 200
	ratioCheckedFrom = 16 << 20 // from how many bytes on the ratio counts
)

// gzipMagic is what a gzip member begins with (RFC 1952 section 2.3.1).
const gzipMagic = "\x1f\x8b"

// inflater decompresses a gzip file, within limits. Its members follow each other as if they were one.
type inflater struct {
	src     *source // compressed
	z       *gzip.Reader
	out     int64
	limit   int64
	limited bool // by the caller, who knows what he wants: the ratio does not count then
}

// inflate begins to decompress what a source holds.
func inflate(src *source, maxBytes int64, bufferSize int) (*source, error) {
	z, err := gzip.NewReader(src)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", inflateError(err))
	}
	i := &inflater{src: src, z: z, limit: maxInflated}
	if maxBytes > 0 {
		i.limit, i.limited = maxBytes, true
	}
	return &source{r: i, buf: make([]byte, bufferSize)}, nil
}

func (i *inflater) Read(p []byte) (int, error) {
	if left := i.limit - i.out; int64(len(p)) > left {
		p = p[:left]
	}
	if len(p) == 0 {
		return 0, fmt.Errorf("it decompresses to more than %d bytes", i.limit)
	}
	n, err := i.z.Read(p)
	i.out += int64(n)
	if err != nil {
		return n, inflateError(err)
	}
	if !i.limited && i.out > ratioCheckedFrom && i.out/maxRatio > i.src.offset {
		return n, fmt.Errorf("%d compressed bytes decompress to more than %d times as many", i.src.offset, maxRatio)
	}
	return n, nil
}

// inflateError says what is wrong with compressed data in words of its reader rather than of the decompressor.
func inflateError(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return err
	case errors.Is(err, gzip.ErrHeader):
		return errors.New("what follows the compressed data is not gzip")
	case errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("the compressed data is damaged: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the compressed data ends early")
	}
	return err
}
