// Which series belong to a shard of a sharded query: xxhash64 over the chosen labels, modulo the number of shards.
// Specification: Thanos pkg/store/storepb/shard_info.go (name ‖ 0xff ‖ value ‖ 0xff of each chosen label).
// Owns the predicate; labels are those that are answered.
import xxhash from 'xxhash-wasm'
import { MnemoError } from '../kit/errors.ts'
import type { Labels } from '../labels/labels.ts'
import type { SeriesRequest } from './types.ts'

const hasher = await xxhash()

/** xxhash64 of the bytes: a chunk's hash on the wire. */
export function hashBytes(bytes: Uint8Array): bigint {
  return hasher.h64Raw(bytes)
}

/** Undefined where the request is not sharded. Throws `bad_data` on a shard that cannot be. */
export function shardPredicate(shard: SeriesRequest['shard']): ((labels: Labels) => boolean) | undefined {
  if (!shard || shard.total < 1) return undefined
  if (shard.index < 0 || shard.index >= shard.total)
    throw new MnemoError('bad_data', `cannot select shard: got index ${shard.index}, want 0 to ${shard.total - 1}`)
  const names = new Set(shard.labels)
  const total = BigInt(shard.total)
  const index = BigInt(shard.index)
  return (labels) => {
    const parts: Buffer[] = []
    for (let i = 0; i < labels.length; i += 2) {
      if (names.has(labels[i]!) !== shard.by) continue
      parts.push(Buffer.from(labels[i]!), separator, Buffer.from(labels[i + 1]!), separator)
    }
    return hasher.h64Raw(Buffer.concat(parts)) % total === index
  }
}

const separator = Buffer.from([0xff])
