// What blocks a bucket has, from one recursive listing: a request per thousand objects, none per block.
// Specification: FACTS of the bucket layout: `<ulid>/…` is a block, it is whole once its meta.json is there.
// Owns which names count; anything that is not below a ULID is left alone.
import type { Bucket } from '../objstore/bucket.ts'
import { isUlid } from './block-name.ts'
import { type MarkKind, markFileNames } from './markers.ts'
import { metaFileName } from './meta.ts'

export interface ListedBlock {
  readonly ulid: string
  /** Undefined: no meta.json, the block is partial. */
  readonly meta: { readonly sizeBytes: number; readonly lastModifiedMs: number } | undefined
  readonly marks: ReadonlySet<MarkKind>
  /** When its newest object was written, unix ms; 0 where the bucket does not tell. */
  readonly newestObjectMs: number
}

const kindOfFile = new Map(Object.entries(markFileNames).map(([kind, name]) => [name, kind as MarkKind]))
const noMarks: ReadonlySet<MarkKind> = new Set()

/** All blocks, whole or partial, by ULID. */
export async function listBlocks(bucket: Bucket, signal?: AbortSignal): Promise<Map<string, ListedBlock>> {
  const blocks = new Map<string, ListedBlock>()
  for await (const object of bucket.list('', { recursive: true, ...(signal && { signal }) })) {
    const slash = object.name.indexOf('/')
    const ulid = object.name.slice(0, Math.max(0, slash))
    if (!isUlid(ulid)) continue
    const block = blocks.get(ulid) ?? { ulid, meta: undefined, marks: noMarks, newestObjectMs: 0 }
    const file = object.name.slice(slash + 1)
    const { sizeBytes = 0, lastModifiedMs = 0 } = object
    const kind = kindOfFile.get(file)
    blocks.set(ulid, {
      ulid,
      meta: file === metaFileName ? { sizeBytes, lastModifiedMs } : block.meta,
      marks: kind ? new Set([...block.marks, kind]) : block.marks,
      newestObjectMs: Math.max(block.newestObjectMs, lastModifiedMs),
    })
  }
  return blocks
}
