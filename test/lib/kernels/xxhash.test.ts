// xxHash64 in the kernel against the vectors of other implementations, and a plain one of the specification at every length and alignment.
// Subject: lib/kernels/xxhash.ts.
import { expect, test } from 'vitest'
import { xxhash64 } from '../../../lib/kernels/xxhash.ts'
import { Random, seed } from '../../support/random.ts'

const random = new Random(seed)
const [p1, p2, p3, p4, p5] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
]

const u64 = (x: bigint) => BigInt.asUintN(64, x)
const rotated = (x: bigint, by: bigint) => u64((x << by) | (u64(x) >> (64n - by)))
const mixed = (lane: bigint, input: bigint) => u64(rotated(u64(lane + input * p2), 31n) * p1)

function plain(bytes: Buffer): bigint {
  let at = 0
  let hash = p5
  if (bytes.length >= 32) {
    const lanes = [u64(p1 + p2), p2, 0n, u64(-p1)]
    for (; at + 32 <= bytes.length; at += 32)
      for (let i = 0; i < 4; i++) lanes[i] = mixed(lanes[i]!, bytes.readBigUInt64LE(at + 8 * i))
    hash = lanes.reduce((sum, lane, i) => u64(sum + rotated(lane, [1n, 7n, 12n, 18n][i]!)), 0n)
    for (const lane of lanes) hash = u64((hash ^ mixed(0n, lane)) * p1 + p4)
  }
  hash = u64(hash + BigInt(bytes.length))
  for (; at + 8 <= bytes.length; at += 8)
    hash = u64(rotated(hash ^ mixed(0n, bytes.readBigUInt64LE(at)), 27n) * p1 + p4)
  for (; at + 4 <= bytes.length; at += 4)
    hash = u64(rotated(hash ^ u64(BigInt(bytes.readUInt32LE(at)) * p1), 23n) * p2 + p3)
  for (; at < bytes.length; at++) hash = u64(rotated(hash ^ u64(BigInt(bytes[at]!) * p5), 11n) * p1)
  hash = u64((hash ^ (hash >> 33n)) * p2)
  hash = u64((hash ^ (hash >> 29n)) * p3)
  return hash ^ (hash >> 32n)
}

test.each([
  ['', 0xef46db3751d8e999n],
  ['a', 0xd24ec4f1a98c6e5bn],
  ['abc', 0x44bc2cf5ad770999n],
  ['Nobody inspects the spammish repetition', 0xfbcea83c8a378bf1n],
])('the hash of %j', (text, hash) => {
  expect(xxhash64(Buffer.from(text))).toBe(hash)
})

test(`any bytes have the hash of the specification (SEED=${seed})`, () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Buffer.from(random.bytes(length + 3)).subarray(random.below(4), length)
    expect(xxhash64(bytes), `${length} bytes`).toBe(plain(bytes))
  }
  const long = Buffer.from(random.bytes(300_000))
  expect(xxhash64(long)).toBe(plain(long))
})
