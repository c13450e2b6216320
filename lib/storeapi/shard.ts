// What xxhash64 is for on the wire: whether chunks are as they were sent, and which series belong to a shard of a sharded query.
// Specification: Thanos pkg/store/storepb/shard_info.go (name ‖ 0xff ‖ value ‖ 0xff of each chosen label, modulo the number of shards).
// Owns both; labels of a shard are those that are answered.
import { xxhash64 } from '../kernels/xxhash.ts'
import { MnemoError } from '../kit/errors.ts'
import { formatLabels, type Labels } from '../labels/labels.ts'
import type { AggrChunk, Chunk, SeriesRequest, StoreSeries } from './types.ts'

const aggregates = ['count', 'sum', 'min', 'max', 'counter'] as const

/**
 * Throws `corrupt` where a chunk's bytes are not those that its sender hashed (a hash of 0: it did not). gRPC itself has no
 * checksum, and a wrong bit in a chunk is a wrong number in an answer.
 */
export function checkHashes({ labels, chunks }: StoreSeries): void {
  for (const chunk of chunks) {
    check(chunk.raw, chunk, labels)
    if (chunk.raw === undefined) for (const name of aggregates) check(chunk[name], chunk, labels)
  }
}

function check(field: Chunk | undefined, { minTime, maxTime }: AggrChunk, labels: Labels): void {
  if (field === undefined || field.hash === 0n) return
  const hash = xxhash64(field.data)
  if (hash === field.hash) return
  const which = `chunk from ${minTime} to ${maxTime} of ${formatLabels(labels)}`
  throw new MnemoError('corrupt', `cannot use ${which}: got bytes of hash ${hash}, want ${field.hash}`)
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
    return xxhash64(Buffer.concat(parts)) % total === index
  }
}

const separator = Buffer.from([0xff])
