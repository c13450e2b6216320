// How much of the disk blocks that are being written may take together: those that do not fit wait for others to be gone.
// Owns the estimate of what a block will take, from its inputs; one that is too large for the budget is written alone.
import type { BlockMeta } from '../blocks/meta.ts'
import { Gate } from '../kit/gate.ts'
import { defaultSegmentBytes } from '../tsdb/chunk-format.ts'
import { indexBytes } from './plan.ts'

/** 0: no limit. */
export function diskBudget(limitBytes: number): Gate {
  return new Gate(limitBytes === 0 ? {} : { maxBytes: limitBytes })
}

/** What writing a block of these inputs takes of the disk, at most: two chunk segments (whole ones are uploaded and go), the index and its parts. */
export function diskBytes(inputs: readonly BlockMeta[]): number {
  const index = inputs.reduce((sum, meta) => sum + indexBytes(meta), 0)
  const chunks = inputs
    .flatMap(({ thanos }) => thanos.files)
    .reduce((sum, { relPath, sizeBytes = 0 }) => sum + (relPath.startsWith('chunks/') ? sizeBytes : 0), 0)
  return Math.min(chunks, 2 * defaultSegmentBytes) + 2 * index
}
