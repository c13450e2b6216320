// Which blocks have outlived the retention of their resolution: decided from metas alone.
// Rule: Thanos pkg/compact/retention.go: now > maxTime + retention; 0 keeps for ever.
// Owns the rule; marking is the caller's.
import type { BlockMeta } from '../blocks/meta.ts'

/** Retention by resolution, in ms; 0: for ever. */
export interface Retention {
  readonly rawMs: number
  readonly fiveMinutesMs: number
  readonly oneHourMs: number
}

export function expiresAnything({ rawMs, fiveMinutesMs, oneHourMs }: Retention): boolean {
  return rawMs > 0 || fiveMinutesMs > 0 || oneHourMs > 0
}

/** Blocks whose newest sample is older than the retention of their resolution. A resolution we don't know never expires. */
export function expiredBlocks(metas: Iterable<BlockMeta>, retention: Retention, nowMs: number): BlockMeta[] {
  return [...metas].filter((meta) => hasExpired({ meta, resolutionMs: meta.thanos.resolutionMs, retention, nowMs }))
}

/** Whether a block of that time has expired, were it of that resolution. */
export function hasExpired(block: {
  readonly meta: BlockMeta
  readonly resolutionMs: number
  readonly retention: Retention
  readonly nowMs: number
}): boolean {
  const keepMs = retentionOf(block.resolutionMs, block.retention)
  return keepMs > 0 && block.nowMs > block.meta.maxTime + keepMs
}

function retentionOf(resolutionMs: number, retention: Retention): number {
  switch (resolutionMs) {
    case 0:
      return retention.rawMs
    case 300_000:
      return retention.fiveMinutesMs
    case 3_600_000:
      return retention.oneHourMs
    default:
      return 0
  }
}
