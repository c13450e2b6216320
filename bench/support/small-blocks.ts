// A bucket of very many small blocks, as months of a few series leave one: to measure how a store takes them up.
// One block is written, the others are copies of its files with metas of their own: they are opened, never read.
import { cp, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { newUlid } from '../../lib/blocks/ulid.ts'
import { labelsOf } from '../../lib/labels/labels.ts'
import { writeMadeBlock } from '../../test/support/made-blocks.ts'

const blockMs = 7_200_000
const intervalMs = 15_000
const firstMs = Math.floor(1_700_000_000_000 / blockMs) * blockMs
const series = 10

/** Writes so many consecutive blocks of 2 h below `folder`, with metas as a sidecar uploads them. */
export async function writeSmallBlocks(folder: string, count: number): Promise<void> {
  const staging = await mkdtemp(path.join(tmpdir(), 'small-block-'))
  try {
    const meta = await writeMadeBlock(staging, {
      minTime: firstMs,
      maxTime: firstMs + blockMs,
      series: Array.from({ length: series }, (_, i) => ({
        labels: labelsOf({ __name__: 'small', instance: `host-${i}` }),
        samples: Array.from({ length: blockMs / intervalMs }, (_, j) => [firstMs + j * intervalMs, i + j] as const),
      })),
    })
    const written = path.join(staging, meta.ulid)
    const files = await filesOf(written)
    for (let i = 0; i < count; i++) {
      const minTime = firstMs + i * blockMs
      const ulid = newUlid(minTime)
      await cp(written, path.join(folder, ulid), { recursive: true })
      const compaction = { ...meta.compaction, sources: [ulid] }
      const thanos = { ...meta.thanos, files, segmentFiles: ['000001'] }
      const own = { ...meta, ulid, minTime, maxTime: minTime + blockMs, compaction, thanos }
      await writeFile(path.join(folder, ulid, 'meta.json'), formatMeta(own))
    }
  } finally {
    await rm(staging, { recursive: true })
  }
}

async function filesOf(block: string): Promise<{ relPath: string; sizeBytes?: number }[]> {
  const names = (await readdir(block, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const paths = names.map((entry) => path.relative(block, path.join(entry.parentPath, entry.name))).sort()
  return Promise.all(
    paths.map(async (relPath) =>
      relPath === 'meta.json' ? { relPath } : { relPath, sizeBytes: (await stat(path.join(block, relPath))).size },
    ),
  )
}
