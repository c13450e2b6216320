// Sizes of variable-length integers, as in Go's encoding/binary: seven bits a byte, lowest first; signed ones zigzag.
// Specification: https://pkg.go.dev/encoding/binary (PutUvarint, PutVarint).
// Owns the arithmetic that stays exact in float64; Cursor reads and EncodeBuffer writes the bytes.

/** A 64-bit integer takes at most ten bytes. */
export const maxVarintBytes = 10

/** 2^32, where the high word of a 64-bit number begins. */
export const highWord = 0x1_0000_0000

/** Bytes that a non-negative safe integer takes as a uvarint: 1 to 8. */
export function uvarintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}
